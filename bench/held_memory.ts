/**
 * What the process holds in memory, and its folder on disk; and names of keys that leave nothing behind.
 *
 * Called by: the jobs that bench/memory_bench.ts runs in processes of their own.
 * Calls: nothing of the project.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** What a job has held, at most. */
export interface Held {
  /** Resident memory. */
  readonly peakBytes: number;
  /** That part of it that is not the pages of a file. */
  readonly peakAnonymousBytes: number;
  /** Its working files when everything was in. */
  readonly diskBytes: number;
}

/** The texts of 0..9999, four digits each. */
const QUADS = Array.from({ length: 10_000 }, (_, i) => String(i).padStart(4, "0"));

/** Name of a key, < 10^8. Not by `String(key)`: V8 keeps the last texts of numbers, the more of them the more there are. */
export function nameOf(key: number): string {
  return `key-${QUADS[Math.floor(key / 10_000)]}${QUADS[key % 10_000]}`;
}

/** A figure of this process; where there is no /proc, all that it holds. */
function statusBytes(name: string): number {
  if (!existsSync("/proc/self/status")) return process.memoryUsage().rss;
  const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "utf8"));
  return Number(line?.[1] ?? 0) * 1024;
}

/** Most resident memory that this process has had. */
export function peakResidentBytes(): number {
  return statusBytes("VmHWM");
}

/** What the files below a folder take on disk: one of LMDB may have holes. */
function bytesIn(path: string): number {
  let sum = 0;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    // A file may be removed meanwhile.
    sum += entry.isDirectory() ? bytesIn(child) : (statSync(child, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
  }
  return sum;
}

/** Watches this process. */
export class MemoryWatch {
  private peakAnonymousBytes = 0;
  private diskBytes = 0;

  constructor(private readonly folder: string) {}

  /** Call it often: of anonymous memory nobody else knows the peak. */
  look(): void {
    this.peakAnonymousBytes = Math.max(this.peakAnonymousBytes, statusBytes("RssAnon"));
  }

  /** Everything is in. */
  lookAtDisk(): void {
    this.diskBytes = bytesIn(this.folder);
  }

  /** Prints what was held, as one JSON line. */
  print(): void {
    this.look();
    const { peakAnonymousBytes, diskBytes } = this;
    const held: Held = { peakBytes: statusBytes("VmHWM"), peakAnonymousBytes, diskBytes };
    process.stdout.write(`${JSON.stringify(held)}\n`);
  }
}
