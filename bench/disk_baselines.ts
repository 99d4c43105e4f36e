/**
 * The stores that state on disk is measured against, used in the plainest way: lmdb-js and classic-level.
 *
 * Called by: the benches of state on disk.
 * Calls: lmdb, classic-level.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What is asked of lmdb-js. */
export interface PlainLmdb {
  /** Calls back for 0..count-1, `perTransaction` of them in one transaction. */
  inTransactions(count: number, perTransaction: number, work: (i: number) => void): void;
  get(key: PlainKey): Uint8Array | undefined;
  put(key: PlainKey, value: Uint8Array): void;
  range(start: PlainKey, end: PlainKey): Iterable<{ readonly key: readonly string[]; readonly value: Uint8Array }>;
}

type PlainKey = string | (string | number)[];

/** Runs `use` over an empty database that is gone afterwards. */
export async function withLmdb<T>(use: (database: PlainLmdb) => T): Promise<T> {
  const { open } = await import("lmdb");
  return await inFolder(async (folder) => {
    const database = open<Uint8Array, PlainKey>({ path: join(folder, "lmdb"), noSync: true, encoding: "binary" });
    try {
      return use({
        inTransactions(count, perTransaction, work) {
          for (let i = 0; i < count; i += perTransaction) {
            database.transactionSync(() => {
              for (let j = i; j < Math.min(count, i + perTransaction); j++) work(j);
            });
          }
        },
        get: (key) => database.get(key),
        put: (key, value) => void database.put(key, value),
        range: (start, end) => database.getRange({ start, end }) as ReturnType<PlainLmdb["range"]>,
      });
    } finally {
      await database.close();
    }
  });
}

/** What is asked of classic-level. */
export interface PlainLevel {
  batch(): { put(key: string, value: Uint8Array): unknown; write(): Promise<void> };
  compactRange(start: string, end: string): Promise<void>;
  getSync(key: string): Uint8Array | undefined;
}

/** Runs `use` over an empty database that is gone afterwards. */
export async function withClassicLevel<T>(use: (database: PlainLevel) => Promise<T>): Promise<T> {
  const { ClassicLevel } = await import("classic-level");
  return await inFolder(async (folder) => {
    const database = new ClassicLevel<string, Uint8Array>(join(folder, "level"), { valueEncoding: "view" });
    await database.open();
    try {
      return await use(database);
    } finally {
      await database.close();
    }
  });
}

/** Runs `use` with an empty folder that is gone afterwards. */
export async function inFolder<T>(use: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
