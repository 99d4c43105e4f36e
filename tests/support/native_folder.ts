/** Folders of this machine's file system for tests of native stores; they are gone when the process ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** A new empty folder. */
export function nativeFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `weir-${name}-`));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
