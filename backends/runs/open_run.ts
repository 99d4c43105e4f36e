/**
 * An open run: its index, filter and state table in memory, its blocks on demand; index and filter by parts, if the
 * cache says so.
 *
 * Called by: stores on disk (point reads, scans, compaction), the backends when they restore.
 * Calls: run_frame.ts, run_input.ts, run_cursor.ts, bloom_filter.ts, block_search.ts; the cache it was given.
 *
 * Invariants:
 * - rows of key groups outside its range are never seen;
 * - a block is looked at only after its CRC has been checked.
 *
 * @module
 */
import { SnapshotCorruptError } from "../../core/errors.ts";
import type { FileSystem } from "../../core/file_system.ts";
import { intersect, type KeyGroupRange } from "../../core/key_groups.ts";
import type { RunHandle, SnapshotReader } from "../../core/snapshot.ts";
import type { FoundValue } from "../embedded/row_store.ts";
import { type BlockCache, type BlockReads, STRETCH_BYTES } from "./block_cache.ts";
import { BlockSearch } from "./block_search.ts";
import { bloomMayHold } from "./bloom_filter.ts";
import { rowHash } from "./row_hash.ts";
import { ROUTE_BYTES, RowPrefixes } from "./row_prefix.ts";
import { RunCursor } from "./run_cursor.ts";
import {
  DELETE_PREFIX,
  PUT,
  RUN_HAS_COMPRESSED_BLOCKS,
  RUN_HIDES_NO_GROUPS,
  RUN_HIDES_STATES,
  type RunState,
} from "./run_format.ts";
import { readFrame, type RunFrame } from "./run_frame.ts";
import { PartedBloom } from "./parted_bloom.ts";
import { PartedIndex } from "./parted_index.ts";
import type { PartPool } from "./part_pool.ts";
import type { BlockIndex } from "./run_index.ts";
import { openLocalInput, type RunInput, SnapshotRunInput } from "./run_input.ts";
import type { BloomLines } from "./run_sections.ts";

/** The run says nothing of the row: look into older ones. */
export const UNKNOWN = 0;
/** The run has its value. */
export const FOUND = 1;
/** The run has deleted it: older ones do not count. */
export const HIDDEN = 2;

/** What a run says of a row. */
export type Lookup = typeof UNKNOWN | typeof FOUND | typeof HIDDEN;

/** What must be known of a run to open it; a `RunHandle` is one. */
export interface RunFacts {
  readonly rowCount: number;
  readonly footerCrc32: number;
  /** Rows of other key groups are not seen. */
  readonly keyGroups: KeyGroupRange;
}

/** Bytes of the object itself, roughly. */
const OBJECT_BYTES = 1024;

/** A run that is open for reading. Close it after use. */
export class OpenRun {
  /** Tells its blocks apart in the cache. */
  readonly id: number;
  /** Names the file in errors. */
  readonly path: string;
  /** Size of the file. */
  readonly sizeBytes: number;
  /** Rows of all key groups. */
  readonly rowCount: number;
  /** The state table. */
  readonly states: readonly RunState[];
  /** Rows of other key groups are not seen. */
  readonly keyGroups: KeyGroupRange;
  /** Where its blocks are. */
  readonly index: BlockIndex;
  /** Whether blocks may be compressed. */
  readonly isCompressed: boolean;
  /** Whether it may hold delete-prefix rows. */
  readonly hidesGroups: boolean;
  /** How much a walk past the cache reads at once, and holds, unless a block is larger. */
  readonly stretchBytes: number;
  /** Counts the blocks that are asked for: its own, until its owner gives it another. */
  reads: BlockReads = { hitCount: 0, missCount: 0 };
  /** What it takes in memory; charged to the cache until it is closed. */
  readonly memoryBytes: number;
  private readonly hidesStates: boolean;
  private readonly bloom: BloomLines | null;
  private readonly prefixes: RowPrefixes;
  private readonly search = new BlockSearch();
  private open = true;

  /** @param index That of the frame, or one that says the same. @param filterBytes Of the filter, in memory. */
  protected constructor(
    readonly input: RunInput,
    { footer, bloom, states }: RunFrame,
    index: BlockIndex,
    facts: RunFacts,
    private readonly cache: BlockCache | null,
    filterBytes: number,
  ) {
    this.path = input.path;
    this.sizeBytes = input.sizeBytes;
    this.rowCount = footer.rowCount;
    this.keyGroups = facts.keyGroups;
    this.states = states;
    this.index = index;
    this.bloom = bloom;
    this.prefixes = new RowPrefixes(states);
    this.isCompressed = (footer.flags & RUN_HAS_COMPRESSED_BLOCKS) !== 0;
    this.hidesGroups = (footer.flags & RUN_HIDES_NO_GROUPS) === 0;
    this.hidesStates = (footer.flags & RUN_HIDES_STATES) !== 0;
    this.memoryBytes = OBJECT_BYTES + index.memoryBytes + filterBytes;
    this.stretchBytes = cache?.stretchBytes ?? STRETCH_BYTES;
    this.id = cache === null ? 0 : cache.register(this.memoryBytes);
  }

  /**
   * Opens a run; checks everything but its blocks.
   *
   * @param input Stays the caller's when this throws, else is closed with the run.
   * @param cache Keeps its blocks; null: only `rows` may be called.
   * @throws {SnapshotCorruptError} If anything is not as the writer left it.
   * @throws {StreamError} If the file cannot be read.
   */
  static read(input: RunInput, facts: RunFacts, cache: BlockCache | null): OpenRun {
    const frame = readFrame(input, facts.footerCrc32);
    if (frame.footer.rowCount !== facts.rowCount) {
      const reason = `it has ${frame.footer.rowCount} rows, metadata says ${facts.rowCount}`;
      throw new SnapshotCorruptError(input.path, { reason });
    }
    const pool = cache?.parts ?? null;
    if (cache !== null && pool !== null) return PartedRun.of(input, frame, facts, cache, pool);
    return new OpenRun(input, frame, frame.index, facts, cache, frame.bloom?.lines.length ?? 0);
  }

  /** Opens a local file; as {@link OpenRun.read}. @throws {StreamError} Also if the file is gone. */
  static openLocal(fileSystem: FileSystem, path: string, facts: RunFacts, cache: BlockCache | null): OpenRun {
    const input = openLocalInput(fileSystem, path);
    return OpenRun.readOrClose(input, facts, cache);
  }

  /** Opens a file of a snapshot, to read all of it once; as {@link OpenRun.read}. */
  static async openSnapshot(handle: RunHandle, reader: SnapshotReader): Promise<OpenRun> {
    return OpenRun.readOrClose(new SnapshotRunInput(await reader.open(handle.file)), handle, null);
  }

  private static readOrClose(input: RunInput, facts: RunFacts, cache: BlockCache | null): OpenRun {
    try {
      return OpenRun.read(input, facts, cache);
    } catch (error) {
      input.close();
      throw error;
    }
  }

  /** The smallest row key, whatever its key group; empty when there are no rows. Do not change it. */
  get firstKey(): Uint8Array {
    return this.index.firstKey;
  }

  /** A copy of the largest row key, whatever its key group; empty when there are no rows. */
  get lastKey(): Uint8Array {
    return this.index.blockCount === 0 ? new Uint8Array(0) : this.index.lastKeyOf(this.index.blockCount - 1);
  }

  /** Whether the run may hold rows with the prefix of this `rowHash`; false is certain. */
  mayHold(prefixHash: number): boolean {
    return this.bloom === null || bloomMayHold(this.bloom.lines, this.bloom.probes, prefixHash);
  }

  /**
   * What the run says of a row.
   *
   * @param prefixBytes Size of the row's prefix: what names its value, list or map.
   * @param prefixHash `rowHash` of the prefix.
   * @param found Is told where the value is, valid until the cache is used again, if the answer is FOUND.
   * @throws {SnapshotCorruptError} If a block that is read is damaged; @throws {StreamError} If it cannot be read.
   */
  get(row: Uint8Array, rowBytes: number, prefixBytes: number, prefixHash: number, found: FoundValue): Lookup {
    const keyGroup = (row[0]! << 8) | row[1]!;
    if (keyGroup < this.keyGroups.start || keyGroup > this.keyGroups.end) return UNKNOWN;
    if (this.mayHold(prefixHash)) {
      const search = this.search;
      if (this.find(row, rowBytes)) {
        if (search.code !== PUT) return HIDDEN;
        found.bytes = this.cache!.bytes;
        found.start = search.valueStart;
        found.end = search.valueEnd;
        return FOUND;
      }
      if (this.hidesGroups && prefixBytes < rowBytes && this.find(row, prefixBytes) && search.code === DELETE_PREFIX) {
        return HIDDEN;
      }
    }
    if (this.hidesStates && this.deletesPrefix(row, ROUTE_BYTES)) return HIDDEN;
    return UNKNOWN;
  }

  /** Whether there is a delete-prefix row with exactly this key. */
  deletesPrefix(key: Uint8Array, keyBytes: number): boolean {
    if (!this.hidesGroups || !this.mayHold(rowHash(key, 0, keyBytes))) return false;
    if (this.cache !== null) return this.find(key, keyBytes) && this.search.code === DELETE_PREFIX;
    const rows = this.rows();
    rows.seek(key, keyBytes, keyBytes);
    return rows.next() && rows.keyBytes === keyBytes && rows.code === DELETE_PREFIX;
  }

  /** Whether there is a delete-prefix row of the whole state in the key group of a row. */
  deletesState(row: Uint8Array): boolean {
    return this.hidesStates && this.deletesPrefix(row, ROUTE_BYTES);
  }

  /**
   * Size of the prefix of a row key, which is also 0 when the state is not in the table.
   *
   * @throws {SnapshotCorruptError} If it is no row key.
   */
  prefixBytesOf(row: Uint8Array, rowBytes: number): number {
    return Math.max(0, this.prefixes.bytesOf(row, rowBytes));
  }

  /** All rows of the wanted key groups, read in long stretches past the cache: for merging whole runs. */
  rows(wanted: KeyGroupRange = this.keyGroups): RunCursor {
    return new RunCursor(this, intersect(this.keyGroups, wanted) ?? NO_KEY_GROUPS, null);
  }

  /** A cursor for short scans, through the cache. Close it after use. */
  scan(): RunCursor {
    return new RunCursor(this, this.keyGroups, this.cache);
  }

  /** Closes the file and forgets its blocks; safe to call twice. Cursors end to work. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.cache?.unregister(this.id, this.memoryBytes);
    this.input.close();
  }

  private find(row: Uint8Array, rowBytes: number): boolean {
    const block = this.index.blockOf(row, rowBytes);
    if (block === this.index.blockCount) return false;
    const cache = this.cache!;
    cache.load(this, block);
    return this.search.find(cache, row, rowBytes, this.path, this.index.offsetOf(block));
  }
}

const NO_KEY_GROUPS: KeyGroupRange = { start: 0, end: -1 };
/** In front of the lines of a filter: its kind and the number of probes. */
const BLOOM_HEAD_BYTES = 2;
/** Behind each section: its CRC. */
const CRC_BYTES = 4;

/** A run whose index and filter are in memory by parts. */
class PartedRun extends OpenRun {
  private constructor(
    input: RunInput,
    frame: RunFrame,
    private readonly partedIndex: PartedIndex,
    facts: RunFacts,
    cache: BlockCache,
    private readonly partedBloom: PartedBloom | null,
  ) {
    super(input, { ...frame, bloom: null }, partedIndex, facts, cache, partedBloom?.memoryBytes ?? 0);
  }

  static of(input: RunInput, frame: RunFrame, facts: RunFacts, cache: BlockCache, pool: PartPool): PartedRun {
    const { footer, bloom } = frame;
    const section = new Uint8Array(footer.indexBytes - CRC_BYTES);
    input.read(section, footer.indexOffset);
    const index = new PartedIndex(frame.index, section, footer.indexOffset, input, pool);
    const bloomOffset = footer.indexOffset + footer.indexBytes + footer.keyGroupsBytes;
    const parted = bloom === null ? null : new PartedBloom(bloom, bloomOffset + BLOOM_HEAD_BYTES, input, pool);
    return new PartedRun(input, frame, index, facts, cache, parted);
  }

  override mayHold(prefixHash: number): boolean {
    return this.partedBloom === null || this.partedBloom.mayHold(prefixHash);
  }

  override close(): void {
    super.close();
    this.partedIndex.close();
    this.partedBloom?.close();
  }
}
