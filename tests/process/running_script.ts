/** Runs a script in a process of its own, on the runtime of the test, and listens to what it prints. */
import { spawn } from "node:child_process";
import process from "node:process";

/** A process that runs a script. */
export interface RunningScript {
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
  readonly kill: RunningScript["kill"];
  readonly exitCode: Promise<number | null>;
}

type Hear = (stream: "out" | "err", chunk: Uint8Array) => void;

/**
 * Starts a script with the arguments.
 *
 * @param env Variables besides those of this process.
 * @param permissions Flags for Deno; files and the environment can be read when absent.
 */
export function startScript(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  permissions: readonly string[] = ["--allow-env", "--allow-read"],
): RunningScript {
  const printed = { out: "", err: "" };
  const decoders = { out: new TextDecoder(), err: new TextDecoder() };
  const waiting = new Set<() => void>();
  const hear: Hear = (stream, chunk) => {
    printed[stream] += decoders[stream].decode(chunk, { stream: true });
    for (const look of waiting) look();
  };
  const { kill, exitCode } = "Deno" in globalThis
    ? startDeno([...permissions, path, ...args], env, hear)
    : startNode(path, args, env, hear);
  const until = (stream: "out" | "err", text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = () => {
        if (printed[stream].includes(text)) resolve();
      };
      waiting.add(look);
      exitCode.then(() => reject(new Error(`ended before "${text}": ${printed.out}${printed.err}`)));
      look();
    });
  return { printed, until, kill, exitCode };
}

/** Not node:child_process: under Deno that reports a process as killed as soon as it was sent a signal. */
function startDeno(args: readonly string[], env: Readonly<Record<string, string>>, hear: Hear): Started {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", ...args],
    env: { ...env },
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
  return { exitCode, kill: (signal) => void (ended || child.kill(signal)) };
}

function startNode(path: string, args: readonly string[], env: Readonly<Record<string, string>>, hear: Hear): Started {
  const child = spawn(process.execPath, [path, ...args], { env: { ...process.env, ...env } });
  child.stdout.on("data", (chunk: Uint8Array) => hear("out", chunk));
  child.stderr.on("data", (chunk: Uint8Array) => hear("err", chunk));
  const exitCode = new Promise<number | null>((resolve) => child.on("close", (code) => resolve(code)));
  return { exitCode, kill: (signal) => void child.kill(signal) };
}
