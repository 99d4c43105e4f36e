/**
 * Loads the native package `lmdb` and opens its databases; the only file that imports it, and only when it is called,
 * so that importing Weir never loads native code.
 *
 * Called by: lmdb_store_factory.ts; row_tree.ts and row_walk.ts for the types.
 * Calls: the npm package lmdb.
 *
 * Invariants:
 * - only what blocks is used: no write of ours is ever done on another thread.
 *
 * @module
 */
import process from "node:process";
import { messageOf, StreamError } from "../../core/errors.ts";

/** A key that is handed to the package: `bytes[start..end-1]`. */
export interface KeySlice {
  bytes: Uint8Array;
  start: number;
  end: number;
}

/** A value that is handed to the package; what it takes goes from `start` to `end` of the view's buffer. */
export type ValueSlice = Uint8Array & { start: number; end: number };

/** Takes the entries that a range yields, without an object for each. */
export interface EntryReceiver {
  /** The key is `source[start..end-1]`; it has to be copied. */
  takeKey(source: Uint8Array, start: number, end: number): void;
  /** The value is `source[0..size-1]`; it has to be copied. Comes after the key. */
  takeValue(source: Uint8Array, size: number): void;
}

/** Sees the database as it was; `done` must be called once. */
export interface ReadTransaction {
  done(): void;
}

/** Figures of a database. */
export interface LmdbStats {
  readonly entryCount: number;
  readonly pageSize: number;
  readonly treeDepth: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
  readonly mapSize: number;
  readonly lastPageNumber: number;
}

/** What a range covers; both keys are read when the first entry is asked for. */
export interface RangeOptions {
  readonly start: KeySlice;
  /** Exclusive. */
  readonly end: KeySlice;
  readonly limit?: number;
  readonly transaction?: ReadTransaction;
}

/** Which moment a read sees; within a write transaction it is always now. */
export interface GetOptions {
  readonly transaction: ReadTransaction;
}

/** The part of an open database that Weir uses. */
export interface LmdbDatabase {
  /** Size of the value that was read last. */
  readonly lastSize: number;
  /** The value, valid until the next call of any database of this process; undefined when there is none. */
  getBinaryFast(key: KeySlice, options: GetOptions | undefined): Uint8Array | undefined;
  /** As `getBinaryFast`, in bytes of its own. */
  getBinary(key: KeySlice, options: GetOptions | undefined): Uint8Array | undefined;
  /** Within `transactionSync` only. */
  put(key: KeySlice, value: ValueSlice): unknown;
  /** Within `transactionSync` only; no error when there is none. */
  remove(key: KeySlice): unknown;
  /** Entries go to the receiver that the database was opened with. */
  getRange(options: RangeOptions): Iterable<unknown>;
  transactionSync(run: () => void): void;
  useReadTransaction(): ReadTransaction;
  getStats(): LmdbStats;
  close(): Promise<void>;
}

/** How a database is opened. */
export interface DatabaseOptions {
  /** Address space to begin with, bytes. It grows by itself; absent: 4 GiB, on Windows small. */
  readonly mapBytes?: number;
}

/**
 * Only addresses, no memory; but Windows makes the file as large. A map that has to grow stays where it is beside the new
 * one until the database is closed, and its pages count twice.
 */
const DEFAULT_MAP_BYTES = process.platform === "win32" ? undefined : 4 * 1024 ** 3;
/** Transactions of readers that can be open at once: scans and snapshots, each of another moment. */
const MAX_READERS = 1024;

/**
 * Opens a database in the file `path`.
 *
 * @throws {StreamError} If the package cannot be loaded, or the file cannot be opened; the message has the remedy.
 */
export async function openDatabase(
  path: string,
  options: DatabaseOptions,
  receiver: EntryReceiver,
): Promise<LmdbDatabase> {
  const { open } = await loadPackage();
  const mapBytes = options.mapBytes ?? DEFAULT_MAP_BYTES;
  try {
    const database: unknown = open({
      path,
      noSubdir: true,
      // Working state is disposable, so nothing waits for the disk; checkpoints are what is durable.
      noSync: true,
      noMemInit: true,
      maxReaders: MAX_READERS,
      encoding: "binary",
      keyEncoder: {
        writeKey: writeKeySlice,
        readKey: (source: Uint8Array, start: number, end: number) => receiver.takeKey(source, start, end),
      },
      encoder: {
        encode: (value: ValueSlice) => value,
        decode: (source: Uint8Array, size: number) => receiver.takeValue(source, size),
      },
      ...(mapBytes === undefined ? {} : { mapSize: mapBytes }),
    });
    return database as LmdbDatabase; // the interface lists methods that the package's databases have
  } catch (error) {
    throw explained(path, error);
  }
}

function writeKeySlice({ bytes, start, end }: KeySlice, target: Uint8Array, at: number): number {
  for (let i = start; i < end; i++) target[at++] = bytes[i]!;
  return at;
}

type Package = typeof import("lmdb");
let loaded: Package | undefined;

/** Loads the package now, so that what is wrong shows before anything depends on it. @throws {StreamError} If it cannot. */
export async function loadLmdb(): Promise<void> {
  await loadPackage();
}

async function loadPackage(): Promise<Package> {
  try {
    // Kept, because even a module that is there takes turns of the event loop.
    return loaded ??= await import("lmdb");
  } catch (error) {
    throw explained(undefined, error);
  }
}

/** The error with what to do about it. */
function explained(path: string | undefined, error: unknown): StreamError {
  // The runtimes add the place of the import in further lines.
  const message = messageOf(error).split("\n", 1)[0]!;
  const what = path === undefined ? `load the package "lmdb"` : `open the LMDB database "${path}"`;
  const permission = /Requires (\w+) access/.exec(message)?.[1];
  if (permission !== undefined) {
    return new StreamError(
      "invalid",
      `Cannot ${what}: ${permission} permission is missing; run with --allow-ffi --allow-env --allow-read --allow-write`,
      { cause: error },
    );
  }
  const remedy = path === undefined
    ? `install it (deno install, bun install) where it has a build for this platform, or choose another state backend`
    : `make sure that its folder can be written to and is on a local disk with free space`;
  return new StreamError(path === undefined ? "invalid" : "unavailable", `Cannot ${what}: ${message}; ${remedy}`, {
    cause: error,
  });
}
