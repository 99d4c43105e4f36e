/**
 * Finds the files that a source is told to read: files, folders and patterns such as `logs/*.jsonl`.
 *
 * Called by: connectors/file_source.ts.
 * Calls: core/ only.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { StreamError } from "../core/errors.ts";
import type { FileSystem } from "../core/file_system.ts";
import { explained } from "./file_failure.ts";

/**
 * One or several files. A folder stands for the files in it, a name with `*` (any characters) or `?` (any one) for
 * those that match, each sorted by name; names that start with a dot are left out.
 */
export type Paths = string | URL | readonly (string | URL)[];

/** A file that was found. */
export interface FoundFile {
  /** As given, or within the given folder. */
  readonly path: string;
  /** When it was found. */
  readonly sizeBytes: number;
}

/** The files, in the order that is given. @throws {StreamError} "invalid" if one is missing, or found twice. */
export async function findFiles(fileSystem: FileSystem, paths: Paths): Promise<FoundFile[]> {
  const given = typeof paths === "string" || paths instanceof URL ? [paths] : paths;
  const found: FoundFile[] = [];
  for (const path of given) found.push(...await filesAt(fileSystem, pathOf(path)));
  const seen = new Set<string>();
  for (const { path } of found) {
    if (seen.has(path)) {
      throw new StreamError("invalid", `Cannot read "${path}": it is given twice, must be given once; remove one`);
    }
    seen.add(path);
  }
  return found;
}

/** The path of a `file:` URL, or the path itself. */
export function pathOf(path: string | URL): string {
  return path instanceof URL ? fileURLToPath(path) : path;
}

async function filesAt(fileSystem: FileSystem, path: string): Promise<FoundFile[]> {
  if (/[*?]/.test(basename(path))) return await filesIn(fileSystem, dirname(path), path, matcherOf(basename(path)));
  const status = await explained("read", path, fileSystem.status(path));
  if (status === null) {
    throw new StreamError("invalid", `Cannot read "${path}": there is no such file or folder; check the path`);
  }
  if (status.kind === "directory") return await filesIn(fileSystem, path, path, () => true);
  return [{ path, sizeBytes: status.sizeBytes }];
}

async function filesIn(
  fileSystem: FileSystem,
  folder: string,
  given: string,
  matches: (name: string) => boolean,
): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  for (const name of await explained("list", folder, fileSystem.list(folder))) {
    if (name.startsWith(".") || !matches(name)) continue;
    const path = join(folder, name);
    const status = await explained("look up", path, fileSystem.status(path));
    if (status?.kind === "file") found.push({ path, sizeBytes: status.sizeBytes });
  }
  if (found.length > 0) return found;
  throw new StreamError("invalid", `Cannot read "${given}": there is no file that matches it; check the path`);
}

function matcherOf(pattern: string): (name: string) => boolean {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  const expression = new RegExp(`^${source}$`, "su");
  return (name) => expression.test(name);
}
