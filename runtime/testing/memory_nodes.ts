/**
 * Files and folders of the file system in memory, and what a power cut leaves of them.
 *
 * Called by: memory_file_system.ts, memory_tree.ts.
 * Calls: nothing.
 *
 * @module
 */

/** Bytes, and those of them that are durable. */
export interface FileNode {
  kind: "file";
  bytes: Uint8Array<ArrayBuffer>;
  size: number;
  durable: Uint8Array<ArrayBuffer>;
  modifiedMs: number;
}

/** Names, and those of them that are durable. */
export interface FolderNode {
  kind: "directory";
  names: Map<string, Node>;
  durable: Map<string, Node>;
  modifiedMs: number;
}

/** What a name leads to. */
export type Node = FileNode | FolderNode;

const identities = new WeakMap<Node, string>();
let identityCount = 0;

/** Equal for two names of one file. */
export function identityOf(node: Node): string {
  const identity = identities.get(node) ?? String(++identityCount);
  identities.set(node, identity);
  return identity;
}

/** A file of which all bytes are durable. */
export function fileNode(bytes: Uint8Array<ArrayBuffer>, modifiedMs: number): FileNode {
  return { kind: "file", bytes, size: bytes.length, durable: bytes.slice(), modifiedMs };
}

/** An empty folder. */
export function folder(): FolderNode {
  return { kind: "directory", names: new Map(), durable: new Map(), modifiedMs: 0 };
}

/** Adds bytes that are not durable. */
export function append(node: FileNode, bytes: Uint8Array): void {
  const size = node.size + bytes.length;
  if (size > node.bytes.length) {
    const larger = new Uint8Array(Math.max(size, node.bytes.length * 2));
    larger.set(node.bytes.subarray(0, node.size));
    node.bytes = larger;
  }
  node.bytes.set(bytes, node.size);
  node.size = size;
}

/** What a disk holds of a folder after a power cut. */
export function survivor(
  node: FolderNode,
  random: (() => number) | undefined,
  survivors: Map<Node, Node> = new Map(),
): FolderNode {
  const names = new Map(node.durable);
  if (random !== undefined) {
    for (const [name, child] of node.names) {
      if (names.has(name) || random() >= 0.5) continue;
      names.set(name, child);
      // A rename within a folder is atomic: the old name goes when the new one survives, and stays when it does not.
      for (const old of renamedFrom(node, child)) names.delete(old);
    }
    const current = new Set(node.names.values());
    for (const [name, child] of node.durable) {
      if (!node.names.has(name) && !current.has(child) && random() < 0.5) names.delete(name);
    }
  }
  const kept = folder();
  kept.modifiedMs = node.modifiedMs;
  for (const [name, child] of names) {
    // Two names of one file are still of one file.
    const left = survivors.get(child) ??
      (child.kind === "directory" ? survivor(child, random, survivors) : survivingFile(child, random));
    survivors.set(child, left);
    kept.names.set(name, left);
    kept.durable.set(name, left);
  }
  return kept;
}

/** A file or folder with all it holds, durable or not; two names of one file stay two names of one file. */
export function copyOf<T extends Node>(node: T, copies: Map<Node, Node> = new Map()): T {
  const known = copies.get(node);
  // A copy has the kind of what it is a copy of.
  if (known !== undefined) return known as T;
  if (node.kind === "file") {
    const copy = { ...node, bytes: node.bytes.slice(0, node.size), durable: node.durable.slice() };
    copies.set(node, copy);
    return copy;
  }
  const copy = { ...node, names: new Map<string, Node>(), durable: new Map<string, Node>() };
  copies.set(node, copy);
  for (const [name, child] of node.names) copy.names.set(name, copyOf(child, copies));
  for (const [name, child] of node.durable) copy.durable.set(name, copyOf(child, copies));
  return copy;
}

/** Names that `child` had when its folder was synced and has no more. */
function renamedFrom(parent: FolderNode, child: Node): string[] {
  return [...parent.durable].filter(([name, node]) => node === child && !parent.names.has(name)).map(([name]) => name);
}

function survivingFile(node: FileNode, random: (() => number) | undefined): FileNode {
  let bytes = node.durable.slice();
  if (random !== undefined && node.size > node.durable.length) {
    bytes = node.bytes.slice(0, node.durable.length + Math.floor(random() * (node.size - node.durable.length + 1)));
  }
  return fileNode(bytes, node.modifiedMs);
}
