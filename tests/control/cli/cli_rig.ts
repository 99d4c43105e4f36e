/** Runs command lines in this process: a scripted server, files in memory, virtual time. */
import { COMMANDS } from "../../../control/cli/commands.ts";
import { runCli } from "../../../control/cli/run_cli.ts";
import type { CliSurroundings, Fetch, ScriptEnd, ScriptRun } from "../../../control/cli/command.ts";
import type { JobLock } from "../../../checkpoint/job_lock.ts";
import type { FileSystem } from "../../../core/file_system.ts";
import { eventLoopTurn } from "../../../runtime/testing/event_loop_turn.ts";
import { SeededRandom } from "../../connectors/contexts.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { MemoryFileSystem } from "../../support/memory_file_system.ts";

// No time passes while a module is read.
for (const command of COMMANDS) await command.load();

/** A request that reached the server. */
export interface Request {
  /** `POST /jobs/a/savepoints`. */
  readonly what: string;
  readonly body: unknown;
  readonly token: string | null;
}

/** What the server says: a status and JSON, or nothing at all. */
export type Reply =
  | { readonly status?: number; readonly json?: unknown; readonly text?: string }
  | "no answer"
  | "never";

/** How a command line is run. */
export interface CliOptions {
  /** Answers requests; nothing listens when absent. */
  readonly server?: (request: Request) => Reply;
  /** Answers requests instead of `server`. */
  readonly fetch?: Fetch;
  readonly fileSystem?: FileSystem;
  readonly jobLock?: JobLock;
  readonly environment?: Readonly<Record<string, string>>;
  readonly outputIsTerminal?: boolean;
  readonly screenIsTerminal?: boolean;
  readonly clock?: ManualClock;
  readonly runScript?: (run: ScriptRun) => Promise<ScriptEnd>;
  /** Virtual time at which Ctrl-C is pressed. */
  readonly interruptAtMs?: number;
}

/** What came of it. */
export interface CliEnd {
  readonly code: number;
  /** Standard output. */
  readonly out: string;
  /** Standard error. */
  readonly err: string;
  readonly requests: readonly Request[];
  /** Characters of the largest piece that was printed at once. */
  readonly largestPiece: number;
}

const NO_LOCK: JobLock = { acquire: () => Promise.resolve({ release: () => Promise.resolve() }) };

/** Runs a command line to its end; time moves when nothing else can. */
export async function weir(argv: readonly string[], options: CliOptions = {}): Promise<CliEnd> {
  const clock = options.clock ?? new ManualClock({ startMs: 1_000 });
  const requests: Request[] = [];
  let out = "";
  let largestPiece = 0;
  let err = "";
  // Answers that are being made: no time passes meanwhile.
  let waiting = 0;
  const surroundings: CliSurroundings = {
    environment: options.environment ?? {},
    print: (text) => {
      out += text;
      largestPiece = Math.max(largestPiece, text.length);
      return Promise.resolve();
    },
    outputIsTerminal: options.outputIsTerminal ?? false,
    screen: { isTerminal: options.screenIsTerminal ?? false, columns: 80, write: (text) => void (err += text) },
    clock,
    random: new SeededRandom(),
    fileSystem: options.fileSystem ?? new MemoryFileSystem(),
    jobLock: options.jobLock ?? NO_LOCK,
    fetch: options.fetch === undefined ? scriptedFetch(options.server, requests) : async (url, request) => {
      waiting++;
      return await options.fetch!(url, request).finally(() => waiting--);
    },
    onInterrupt: (listener) =>
      options.interruptAtMs === undefined ? () => {} : clock.schedule(options.interruptAtMs, listener),
    runScript: options.runScript ?? (() => Promise.reject(new Error("no script is expected"))),
  };
  let code: number | undefined;
  const running = runCli(argv, surroundings).then((end) => code = end);
  for (let idle = 0; code === undefined;) {
    await eventLoopTurn();
    if (code !== undefined) break;
    if (clock.runDeferred() > 0) continue;
    if (waiting > 0 && ++idle < 1_000) continue;
    const dueMs = clock.nextDueMs;
    if (dueMs !== undefined) clock.advance(Math.max(0, dueMs - clock.nowMs()));
    // With native code loaded, promises may need more than a turn.
    else if (++idle > 1_000) throw new Error("the command waits for ever");
  }
  await running;
  // A clock that is shared has timers of others.
  if (clock.scheduledCount > 0 && options.clock === undefined && options.interruptAtMs === undefined) {
    throw new Error("a timer is left");
  }
  return { code, out, err, requests, largestPiece };
}

function scriptedFetch(server: CliOptions["server"], requests: Request[]): Fetch {
  return async (url, { method, headers, body, signal }) => {
    const { pathname, search } = new URL(url);
    const request = {
      what: `${method} ${pathname}${search}`,
      body: body === undefined ? undefined : JSON.parse(body),
      token: headers["authorization"]?.replace(/^Bearer /, "") ?? null,
    };
    requests.push(request);
    const reply = server === undefined ? "no answer" : server(request);
    if (reply === "never") {
      return await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
    }
    if (reply === "no answer") {
      // As Deno words it.
      throw new TypeError("error sending request", { cause: new Error("tcp connect error: Connection refused") });
    }
    const { status = 200, json, text } = reply;
    return new Response(text ?? (json === undefined ? null : JSON.stringify(json)), { status });
  };
}
