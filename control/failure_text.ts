/**
 * Turns the error that a pipeline ended with into what its author needs: each message once, and the lines of the
 * author's own files. Pure.
 *
 * Called by: control/uncaught_failures.ts.
 * Calls: core/ only.
 *
 * @module
 */
import { messageOf, StreamError } from "../core/errors.ts";
import { errorCode } from "../core/file_system.ts";

/** Folders and files of Weir itself: who writes a pipeline cannot change anything there. */
const OWN = ["core", "timers", "backends", "checkpoint", "runtime", "connectors", "control"];
const ROOT = decodeURI(new URL("../", import.meta.url).pathname);
/** A deep recursion says the same again and again. */
const MAX_FRAMES = 10;

/**
 * The message, the messages of causes that say something else, and the frames of the innermost error that has any
 * outside of Weir. Lines without a line break at the end.
 *
 * @param root Path of Weir's folder, with a slash at the end, as frames write it.
 */
export function failureText(error: unknown, root: string = ROOT): string {
  const chain = chainOf(error);
  const lines = [messageOf(error)];
  for (let i = 1; i < chain.length; i++) {
    const text = messageOf(chain[i]);
    if (isExplained(chain[i - 1], chain[i]) || lines.some((line) => line.includes(text))) continue;
    lines.push(`  caused by: ${text}`);
  }
  const frames = chain.map((part) => userFrames(part, root)).findLast((found) => found.length > 0) ?? [];
  return [...lines, ...frames.slice(0, MAX_FRAMES)].join("\n");
}

/** From the error to its innermost cause; each once, should they form a circle. */
function chainOf(error: unknown): unknown[] {
  const chain = new Set<unknown>();
  for (let at = error; at !== undefined && !chain.has(at); at = at instanceof Error ? at.cause : undefined) {
    chain.add(at);
  }
  return [...chain];
}

/** Whether `outer` is there to say in better words what the runtime says in `cause`. */
function isExplained(outer: unknown, cause: unknown): boolean {
  return outer instanceof StreamError && cause instanceof Error &&
    (errorCode(cause) !== undefined || cause.name === "NotCapable" || cause instanceof SyntaxError);
}

function userFrames(error: unknown, root: string): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  return error.stack.split("\n").filter((line) => /^\s+at /.test(line) && isUserFrame(decoded(line), root));
}

function isUserFrame(line: string, root: string): boolean {
  if (!/[/\\]/.test(line) || /\b(?:ext|node|native|bun):|\/node_modules\//.test(line)) return false;
  return !line.includes(`${root}mod.ts`) && !OWN.some((folder) => line.includes(`${root}${folder}/`));
}

/** Deno writes URLs, Bun writes paths. */
function decoded(line: string): string {
  try {
    return decodeURI(line);
  } catch {
    return line; // Not a URL, but a path with a per cent sign.
  }
}
