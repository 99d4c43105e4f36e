/** Runs a script in a process of its own, on the runtime of the test, and listens to what it prints. */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** Scripts in other folders are to run with the settings of the project, too. */
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** Where and with what a script runs. */
export interface ScriptSurroundings {
  /** Variables besides those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory; that of this process when absent. */
  readonly cwd?: string;
  /** Flags for Deno; files and the environment can be read when absent. */
  readonly permissions?: readonly string[];
}

/** A process that runs a script. */
export interface RunningScript {
  readonly pid: number;
  /** What it has printed so far. */
  readonly printed: { out: string; err: string };
  /** Resolves once what it has printed contains `text`; rejects when it ends without. */
  until(stream: "out" | "err", text: string): Promise<void>;
  /** Sends a signal; nothing when it has ended. */
  kill(signal: "SIGINT" | "SIGTERM" | "SIGKILL"): void;
  /** Exit code; null after a signal that it does not handle. All that it printed is there by then. */
  readonly exitCode: Promise<number | null>;
}

interface Started {
  readonly pid: number;
  readonly kill: RunningScript["kill"];
  readonly exitCode: Promise<number | null>;
}

type Hear = (stream: "out" | "err", chunk: Uint8Array) => void;

/**
 * Starts a script with the arguments.
 */
export function startScript(
  path: string,
  args: readonly string[],
  surroundings: ScriptSurroundings = {},
): RunningScript {
  const printed = { out: "", err: "" };
  const decoders = { out: new TextDecoder(), err: new TextDecoder() };
  const waiting = new Set<() => void>();
  const hear: Hear = (stream, chunk) => {
    printed[stream] += decoders[stream].decode(chunk, { stream: true });
    for (const look of waiting) look();
  };
  const start = "Deno" in globalThis ? startDeno : startNode;
  const { pid, kill, exitCode } = start(path, args, surroundings, hear);
  const until = (stream: "out" | "err", text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = () => {
        if (printed[stream].includes(text)) resolve();
      };
      waiting.add(look);
      exitCode.then(() => reject(new Error(`ended before "${text}": ${printed.out}${printed.err}`)));
      look();
    });
  return { pid, printed, until, kill, exitCode };
}

/** Not node:child_process: under Deno that reports a process as killed as soon as it was sent a signal. */
function startDeno(path: string, args: readonly string[], surroundings: ScriptSurroundings, hear: Hear): Started {
  const { env, cwd, permissions = ["--allow-env", "--allow-read"] } = surroundings;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", "--config", CONFIG, ...permissions, path, ...args],
    env: { ...env },
    ...cwd === undefined ? {} : { cwd },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const listen = async (stream: "out" | "err", chunks: ReadableStream<Uint8Array>) => {
    for await (const chunk of chunks) hear(stream, chunk);
  };
  const heard = Promise.all([listen("out", child.stdout), listen("err", child.stderr)]);
  let ended = false;
  const exitCode = child.status.then(async ({ code, signal }) => {
    ended = true;
    await heard;
    return signal === null ? code : null;
  });
  return { pid: child.pid, exitCode, kill: (signal) => void (ended || child.kill(signal)) };
}

function startNode(path: string, args: readonly string[], { env, cwd }: ScriptSurroundings, hear: Hear): Started {
  const child = spawn(process.execPath, [path, ...args], { env: { ...process.env, ...env }, cwd });
  child.stdout.on("data", (chunk: Uint8Array) => hear("out", chunk));
  child.stderr.on("data", (chunk: Uint8Array) => hear("err", chunk));
  const exitCode = new Promise<number | null>((resolve) => child.on("close", (code) => resolve(code)));
  // Undefined only when it could not be started: that is an "error" event, which ends the test.
  return { pid: child.pid!, exitCode, kill: (signal) => void child.kill(signal) };
}
