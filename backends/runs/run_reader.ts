/**
 * Opens a sorted run: checks its frame and sections, then reads blocks on demand.
 *
 * Called by: the backends, when they restore.
 * Calls: core/bytes.ts, run_sections.ts, run_cursor.ts; the input it was given.
 *
 * Invariants:
 * - header, blocks, sections and footer cover the file without a gap, so that each byte is checked by a CRC or a constant;
 * - whatever is wrong is a SnapshotCorruptError that names the file and the offset.
 *
 * @module
 */
import { ByteReader, crc32 } from "../../core/bytes.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import { intersect, type KeyGroupRange } from "../../core/key_groups.ts";
import type { RunHandle, SnapshotInput, SnapshotReader } from "../../core/snapshot.ts";
import { RunCursor } from "./run_cursor.ts";
import {
  type BlockEntry,
  FOOTER_BYTES,
  FORMAT_VERSION,
  HEADER_BYTES,
  type KeyGroupEntry,
  MAGIC,
  type RunFooter,
  type RunState,
} from "./run_format.ts";
import { readFooter, readIndex, readKeyGroups, readStates } from "./run_sections.ts";

/** An open run. Close it after use. */
export class RunReader {
  /** The state table. */
  readonly states: readonly RunState[];
  /** Smallest row key, empty when there are no rows. */
  readonly firstKey: Uint8Array;
  /** Rows of all key groups. */
  readonly rowCount: number;
  private readonly blocks: readonly BlockEntry[];
  private readonly keyGroups: readonly KeyGroupEntry[];

  private constructor(
    private readonly input: SnapshotInput,
    private readonly range: KeyGroupRange,
    expectedCrc: number,
  ) {
    const footer = readFrame(input, expectedCrc);
    let offset = footer.indexOffset;
    const { blocks, firstKey } = readSection(input, offset, footer.indexBytes, "index", readIndex);
    offset += footer.indexBytes;
    this.keyGroups = readSection(input, offset, footer.keyGroupsBytes, "key groups", readKeyGroups);
    offset += footer.keyGroupsBytes;
    readSection(input, offset, footer.bloomBytes, "bloom filter", skipBloom);
    offset += footer.bloomBytes;
    this.states = readSection(input, offset, footer.statesBytes, "states", readStates);
    this.blocks = blocks;
    this.firstKey = firstKey;
    this.rowCount = footer.rowCount;
    this.checkIndex(footer);
  }

  /**
   * Opens the file of `handle` and checks everything but its blocks.
   *
   * @throws {SnapshotCorruptError} If anything is not as the writer left it.
   */
  static async open(handle: RunHandle, reader: SnapshotReader): Promise<RunReader> {
    const input = await reader.open(handle.file);
    try {
      return RunReader.read(input, handle);
    } catch (error) {
      input.close();
      throw error;
    }
  }

  /** Reads a run that is open already; `input` stays the caller's when this throws. */
  static read(input: SnapshotInput, handle: RunHandle): RunReader {
    const run = new RunReader(input, handle.keyGroups, handle.footerCrc32);
    if (run.rowCount !== handle.rowCount) {
      throw new SnapshotCorruptError(input.path, {
        reason: `it has ${run.rowCount} rows, metadata says ${handle.rowCount}`,
      });
    }
    return run;
  }

  /** Names the file in errors. */
  get path(): string {
    return this.input.path;
  }

  /** The rows whose key groups are both in `wanted` and in the handle's range; other blocks are not read. */
  rows(wanted: KeyGroupRange): RunCursor {
    const range = intersect(this.range, wanted);
    const first = range === undefined ? this.blocks.length : this.firstBlockOf(range.start);
    return new RunCursor(this.input, this.blocks, first, range ?? { start: 0, end: -1 });
  }

  /** Closes the file; cursors end to work. */
  close(): void {
    this.input.close();
  }

  private firstBlockOf(keyGroup: number): number {
    let low = 0;
    let high = this.keyGroups.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.keyGroups[middle]!.keyGroup < keyGroup) low = middle + 1;
      else high = middle;
    }
    return this.keyGroups[low]?.block ?? this.blocks.length;
  }

  private checkIndex(footer: RunFooter): void {
    let offset = HEADER_BYTES;
    for (const block of this.blocks) {
      if (block.offset !== offset) this.corrupt(offset, `a block is missing: the next one is at ${block.offset}`);
      offset += block.sizeBytes;
    }
    if (offset !== footer.indexOffset) {
      this.corrupt(offset, `the blocks end here, the index is at ${footer.indexOffset}`);
    }
    if (this.blocks.length !== footer.blockCount) {
      this.corrupt(footer.indexOffset, `the index has ${this.blocks.length} blocks, the footer ${footer.blockCount}`);
    }
    const smallest = this.keyGroups[0]?.keyGroup ?? 0;
    const largest = this.keyGroups.at(-1)?.keyGroup ?? 0;
    if (smallest !== footer.smallestKeyGroup || largest !== footer.largestKeyGroup) {
      this.corrupt(footer.indexOffset, `key groups are ${smallest}..${largest}, the footer says otherwise`);
    }
    for (const entry of this.keyGroups) {
      if (entry.block >= this.blocks.length) this.corrupt(footer.indexOffset, `block ${entry.block} does not exist`);
    }
  }

  private corrupt(offset: number, reason: string): never {
    throw new SnapshotCorruptError(this.input.path, { reason, offset });
  }
}

function skipBloom(input: ByteReader): void {
  input.u8();
  input.position = input.end;
}

/** Checks header and footer. */
function readFrame(input: SnapshotInput, expectedCrc: number): RunFooter {
  const { path, sizeBytes } = input;
  if (sizeBytes < HEADER_BYTES + FOOTER_BYTES) {
    throw new SnapshotCorruptError(path, { reason: `${sizeBytes} bytes are too few for a run`, offset: sizeBytes });
  }
  checkMagic(path, input.read(0, HEADER_BYTES), 0, 0);
  const offset = sizeBytes - FOOTER_BYTES;
  const bytes = input.read(offset, FOOTER_BYTES);
  const versionAt = FOOTER_BYTES - 12;
  const end = new ByteReader(bytes, FOOTER_BYTES - 4);
  const stored = end.u32();
  const actual = crc32(bytes.subarray(0, FOOTER_BYTES - 4));
  if (actual !== stored || stored !== expectedCrc) {
    const reason = actual !== stored
      ? `crc32 of the footer is ${hex(actual)}, the footer says ${hex(stored)}`
      : `crc32 of the footer is ${hex(stored)}, metadata says ${hex(expectedCrc)}`;
    throw new SnapshotCorruptError(path, { reason, offset });
  }
  // In the footer the version comes before the magic.
  const tail = new Uint8Array(HEADER_BYTES);
  tail.set(bytes.subarray(versionAt + 1, versionAt + 8));
  tail[7] = bytes[versionAt]!;
  checkMagic(path, tail, 0, offset + versionAt);
  return decode(path, offset, () => {
    const footer = readFooter(new ByteReader(bytes, 0, versionAt));
    const sections = footer.indexBytes + footer.keyGroupsBytes + footer.bloomBytes + footer.statesBytes;
    if (footer.indexOffset + sections !== offset) {
      throw new SnapshotCorruptError(path, { reason: "the sections do not end where the footer begins", offset });
    }
    return footer;
  });
}

function checkMagic(path: string, bytes: Uint8Array, at: number, offset: number): void {
  for (let i = 0; i < MAGIC.length; i++) {
    if (bytes[at + i] !== MAGIC[i]) throw new SnapshotCorruptError(path, { reason: "this is no sorted run", offset });
  }
  const version = bytes[at + MAGIC.length];
  if (version !== FORMAT_VERSION) {
    const reason = `format version is ${version}, this program reads ${FORMAT_VERSION}`;
    throw new SnapshotCorruptError(path, { reason, offset });
  }
}

function readSection<T>(
  input: SnapshotInput,
  offset: number,
  size: number,
  name: string,
  read: (reader: ByteReader) => T,
): T {
  const path = input.path;
  if (size < 5) throw new SnapshotCorruptError(path, { reason: `section ${name} has ${size} bytes`, offset });
  const bytes = input.read(offset, size);
  const stored = new ByteReader(bytes, size - 4).u32();
  const actual = crc32(bytes.subarray(0, size - 4));
  if (actual !== stored) {
    const reason = `crc32 of section ${name} is ${hex(actual)}, the section says ${hex(stored)}`;
    throw new SnapshotCorruptError(path, { reason, offset });
  }
  return decode(path, offset, () => {
    const reader = new ByteReader(bytes, 0, size - 4);
    const section = read(reader);
    if (reader.remaining !== 0) reader.fail(`section ${name} goes on after its end`);
    return section;
  });
}

/** Runs `read`, naming the file in what it throws. */
function decode<T>(path: string, offset: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof StreamError) || error instanceof SnapshotCorruptError) throw error;
    throw new SnapshotCorruptError(path, { reason: error.message, offset, cause: error });
  }
}

/** A CRC as it is shown in errors. */
export function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, "0")}`;
}
