/**
 * The only file of this folder that looks at the process: arguments, environment, permissions, terminal.
 *
 * Called by: the stream environment, which hands these to control/config_sources.ts and control/terminal.ts.
 * Calls: `node:process`.
 *
 * @module
 */
import process from "node:process";
import type { Screen } from "./terminal.ts";

/** Arguments after the name of the script. */
export function processArguments(): readonly string[] {
  return process.argv.slice(2);
}

/** File name of the script, for `--help`. */
export function scriptName(): string {
  return (process.argv[1] ?? "pipeline.ts").split(/[\\/]/).at(-1) ?? "pipeline.ts";
}

/** Environment variables; undefined without the permission, which is not asked for: they are optional. */
export function processEnvironment(): Readonly<Record<string, string | undefined>> | undefined {
  return isGranted({ name: "env" }) ? { ...process.env } : undefined;
}

/** One environment variable; undefined when it is not set or empty, or without the permission, which is not asked for. */
export function environmentVariable(name: string): string | undefined {
  return isGranted({ name: "env", variable: name }) ? process.env[name] || undefined : undefined;
}

/** The folder that relative paths begin at. */
export function currentDirectory(): string {
  return process.cwd();
}

/** Folder for temporary files. */
export function temporaryDirectory(): string {
  const { TMPDIR, TMP, TEMP } = processEnvironment() ?? {};
  return TMPDIR || TMP || TEMP || "/tmp";
}

/** Reads a file, but gives null for one that is not mandatory when the user would have to be asked for a permission. */
export function readConfigurationFileWith(
  readFile: (path: string) => Promise<Uint8Array>,
): (path: string, mandatory: boolean) => Promise<Uint8Array | null> {
  return async (path, mandatory) => (mandatory || isGranted({ name: "read", path }) ? await readFile(path) : null);
}

/** Standard error: standard output belongs to the pipeline. */
export function processScreen(): Screen {
  const { stderr } = process;
  return {
    isTerminal: stderr.isTTY === true,
    get columns(): number {
      // Some terminals do not know, and say 0.
      return stderr.columns > 0 ? stderr.columns : 80;
    },
    write: (text: string): void => {
      stderr.write(text);
    },
  };
}

/** Whether standard output and standard error end on the same kind of screen: what one prints disturbs the other. */
export function outputIsTerminal(): boolean {
  return process.stdout.isTTY === true;
}

/** Calls `listener` for every SIGINT and SIGTERM; the returned function ends that. */
export function onInterrupt(listener: () => void): () => void {
  process.on("SIGINT", listener);
  process.on("SIGTERM", listener);
  return () => {
    process.off("SIGINT", listener);
    process.off("SIGTERM", listener);
  };
}

/** Asks `handle` about each error that nobody catches. False: it is not for this one, the runtime goes on as ever. */
export function onUncaught(handle: (error: unknown) => boolean): void {
  if ("Deno" in globalThis) {
    globalThis.addEventListener("unhandledrejection", (event) => {
      if (handle(event.reason)) event.preventDefault();
    });
    return;
  }
  const listener = (error: unknown): void => {
    if (handle(error)) return;
    process.off("uncaughtException", listener);
    process.off("unhandledRejection", listener);
    // Nobody else wants it either: thrown again, so that Bun shows it and ends.
    if (process.listenerCount("uncaughtException") + process.listenerCount("unhandledRejection") === 0) {
      void Promise.reject(error);
    }
  };
  // Bun tells a rejection of the script itself as the former, any other as the latter.
  process.on("uncaughtException", listener);
  process.on("unhandledRejection", listener);
}

/** Ends the process at once. */
export function exitProcess(code: number): never {
  return process.exit(code);
}

/** Ends the process with this code when nothing is left to do. */
export function setExitCode(code: number): void {
  process.exitCode = code;
}

/** Prints to standard output, for `--help`. */
export function printLine(text: string): void {
  process.stdout.write(text + "\n");
}

/** Writes to standard output; resolves when it has gone out, rejects when the reader is gone. */
export function printText(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => error === null || error === undefined ? resolve() : reject(error));
  });
}

/** Names a permission. */
interface PermissionName {
  readonly name: string;
  readonly path?: string;
  readonly variable?: string;
}

/** What is used of Deno's permissions. */
interface DenoPermissions {
  readonly permissions: {
    querySync(descriptor: PermissionName): { readonly state: string };
  };
}

/** Whether a permission is there without asking; true on a runtime without permissions. */
function isGranted(descriptor: PermissionName): boolean {
  if (!("Deno" in globalThis)) return true;
  // Deno's own interface; stated here because Bun's type checker does not know it.
  const { permissions } = (globalThis as unknown as { readonly Deno: DenoPermissions }).Deno;
  return permissions.querySync(descriptor).state === "granted";
}
