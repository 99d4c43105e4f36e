/**
 * Follows the links of a path in the real file system, as far as it exists.
 *
 * Called by: control/http.ts hands it to the API.
 * Calls: `node:fs`.
 *
 * @module
 */
import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { errorCode } from "../../core/file_system.ts";

/**
 * The absolute path that a path leads to. What does not exist yet stays as it is, below what does.
 *
 * @throws What the file system throws; ENOENT for a link that leads nowhere.
 */
export async function resolvePath(path: string): Promise<string> {
  const missing: string[] = [];
  let at = resolve(path);
  for (;;) {
    try {
      return join(await realpath(at), ...missing);
    } catch (error) {
      // Deno lets a script look at its own folders only: what is above them is not followed, for no path.
      if (missing.length > 0 && error instanceof Error && error.name === "NotCapable") return join(at, ...missing);
      if (errorCode(error) !== "ENOENT" || await isThere(at)) throw error;
      const parent = dirname(at);
      if (parent === at) return join(at, ...missing);
      missing.unshift(basename(at));
      at = parent;
    }
  }
}

/** Whether there is something with this name, be it a link that leads nowhere. */
async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}
