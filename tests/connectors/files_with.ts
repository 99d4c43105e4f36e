/** Files in memory for tests of file sources. */
import { MemoryFileSystem } from "../support/memory_file_system.ts";

/** A file system that holds these files. */
export function filesWith(content: Readonly<Record<string, string | Uint8Array>>): MemoryFileSystem {
  const files = new MemoryFileSystem();
  for (const [path, text] of Object.entries(content)) files.put(path, text);
  return files;
}
