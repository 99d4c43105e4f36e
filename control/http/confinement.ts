/**
 * Keeps paths that clients name under the folders that the configuration names.
 *
 * Called by: control/http/operation_routes.ts.
 * Calls: a resolver of links, which it is given.
 *
 * A path is judged by where it leads: `..` and links are followed first, in the folders as well. One that would lead
 * elsewhere when percent codes in it are decoded is refused, too, whoever might decode them.
 *
 * @module
 */
import { isAbsolute, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { getLogger } from "@logtape/logtape";
import { errorCode } from "../../core/file_system.ts";
import { ApiError } from "./api_error.ts";

const log = getLogger(["weir", "control", "http"]);

/** Follows all links of a path as far as it exists. Absolute. */
export type ResolvePath = (path: string) => Promise<string>;

/**
 * The path that a client names, links resolved, if it is one of the folders or lies below one.
 *
 * @param what How to call it in messages, e.g. `target-directory`.
 * @param folders Where it may lie.
 * @throws {ApiError} 400 if it is no path, 403 if it lies elsewhere.
 */
export async function confine(
  what: string,
  path: string,
  folders: readonly string[],
  resolvePath: ResolvePath,
): Promise<string> {
  const local = localPath(what, path);
  const decoded = decodedPath(local);
  const [resolved, ...others] = await followed(what, [local, ...(decoded === local ? [] : [decoded])], resolvePath);
  const roots = await followed(what, folders, resolvePath);
  const isInside = (one: string) => roots.some((root) => isWithin(one, root));
  if (resolved === undefined || ![resolved, ...others].every(isInside)) {
    throw new ApiError(
      403,
      `${what} is outside the folders of execution.checkpointing.savepoint-dir and execution.checkpointing.dir`,
    );
  }
  return resolved;
}

/** Whether a path is a folder or lies below it. Both absolute and resolved. */
export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === "" || !(way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way));
}

/** Where paths lead. What cannot be followed may not be used: a link to nothing, a circle, a name that is too long. */
async function followed(what: string, paths: readonly string[], resolvePath: ResolvePath): Promise<string[]> {
  try {
    return await Promise.all(paths.map(resolvePath));
  } catch (error) {
    log.info("Cannot follow {what} of a request: {reason}", { what, reason: errorCode(error) ?? "no reason" });
    throw new ApiError(403, `${what} leads to where it cannot be followed`);
  }
}

/** A path, also of a `file:` address. */
function localPath(what: string, path: string): string {
  const local = /^[a-z][a-z0-9+.-]+:\//i.test(path) ? pathOfAddress(what, path) : path;
  // Control characters would end up on terminals and in logs.
  if (local === "" || /\p{Cc}/u.test(local)) throw new ApiError(400, `${what} is not a path`);
  return local;
}

function pathOfAddress(what: string, address: string): string {
  try {
    return fileURLToPath(address);
  } catch {
    throw new ApiError(400, `${what} must be a path, or an address that starts with file:///`);
  }
}

function decodedPath(path: string): string {
  let at = path;
  // Decoded as often as it is encoded; each round makes it shorter.
  for (;;) {
    const next = at.replaceAll(/%(2e|2f|5c|25)/gi, (code) => decodeURIComponent(code)).replaceAll("\\", "/");
    if (next === at) return at;
    at = next;
  }
}
