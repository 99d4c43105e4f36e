/**
 * The tree of the file system in memory: what is at a path.
 *
 * Called by: memory_file_system.ts.
 * Calls: memory_nodes.ts.
 *
 * @module
 */
import { fileError } from "./file_faults.ts";
import { type FileNode, folder, type FolderNode, type Node } from "./memory_nodes.ts";

/** The names in a path. */
export function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** Files and folders below a root. Paths are POSIX; relative ones start at the root. */
export class MemoryTree {
  constructor(public root: FolderNode = folder()) {}

  /** What is at a path; undefined if there is nothing. */
  find(path: string): Node | undefined {
    let at: Node = this.root;
    for (const part of parts(path)) {
      if (at.kind !== "directory") return undefined;
      const next = at.names.get(part);
      if (next === undefined) return undefined;
      at = next;
    }
    return at;
  }

  /** The file at a path. @throws {Error} With a code if there is none. */
  file(path: string, operation: string): FileNode {
    const node = this.find(path);
    if (node === undefined) throw fileError("ENOENT", operation, path);
    if (node.kind === "directory") throw fileError("EISDIR", operation, path);
    return node;
  }

  /** The folder at a path. @throws {Error} With a code if there is none. */
  folder(path: string, operation: string): FolderNode {
    const node = this.find(path);
    if (node === undefined) throw fileError("ENOENT", operation, path);
    if (node.kind === "file") throw fileError("ENOTDIR", operation, path);
    return node;
  }

  /** The folder in which a path is, and the name there. @throws {Error} With a code if there is no such folder. */
  parent(path: string, operation: string): [FolderNode, string] {
    const names = parts(path);
    const name = names.pop();
    if (name === undefined) throw fileError("EINVAL", operation, path);
    return [this.folder(names.join("/"), operation), name];
  }

  /** The folder at a path, made as needed with those above it. @throws {Error} With a code if a file is in the way. */
  makeFolder(path: string, operation: string, isDurable: boolean): FolderNode {
    let at = this.root;
    for (const part of parts(path)) {
      let next = at.names.get(part);
      if (next === undefined) {
        next = folder();
        at.names.set(part, next);
        if (isDurable) at.durable.set(part, next);
      }
      if (next.kind !== "directory") throw fileError("ENOTDIR", operation, path);
      at = next;
    }
    return at;
  }

  /** Absolute paths of all files below a path, sorted. */
  files(path: string): string[] {
    const found: string[] = [];
    const walk = (node: Node, at: string) => {
      if (node.kind === "file") found.push(at);
      else for (const [name, child] of node.names) walk(child, `${at}/${name}`);
    };
    const start = this.find(path);
    if (start !== undefined) walk(start, parts(path).map((part) => `/${part}`).join(""));
    return found.sort();
  }
}
