/**
 * Reads all of a run but its blocks, and checks each byte of that.
 *
 * Called by: open_run.ts.
 * Calls: core/bytes.ts, run_input.ts, run_sections.ts, run_index.ts.
 *
 * Invariants:
 * - header, blocks, sections and footer cover the file without a gap, so that each byte is checked by a CRC or a constant;
 * - whatever is wrong is a SnapshotCorruptError that names the file and the offset.
 *
 * @module
 */
import { ByteReader, crc32 } from "../../core/bytes.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import {
  FOOTER_BYTES,
  FORMAT_VERSION,
  HEADER_BYTES,
  KNOWN_RUN_FLAGS,
  MAGIC,
  type RunFooter,
  type RunState,
} from "./run_format.ts";
import { RunIndex } from "./run_index.ts";
import type { RunInput } from "./run_input.ts";
import { type BloomLines, readBloom, readFooter, readKeyGroups, readStates } from "./run_sections.ts";

/** A run without its blocks. */
export interface RunFrame {
  readonly footer: RunFooter;
  readonly index: RunIndex;
  /** Null when there is none, or one of a kind that this program does not know. */
  readonly bloom: BloomLines | null;
  readonly states: readonly RunState[];
}

/** Reads and checks the frame. @param expectedCrc CRC-32 of the footer. @throws {SnapshotCorruptError} */
export function readFrame(input: RunInput, expectedCrc: number): RunFrame {
  const footer = readEnds(input, expectedCrc);
  let offset = footer.indexOffset;
  const index = readSection(input, offset, footer.indexBytes, "index", (reader) => new RunIndex(reader, HEADER_BYTES));
  offset += footer.indexBytes;
  const keyGroups = readSection(input, offset, footer.keyGroupsBytes, "key groups", (reader) => {
    const entries = readKeyGroups(reader);
    index.useGroups(entries, reader);
    return entries;
  });
  offset += footer.keyGroupsBytes;
  const bloom = readSection(input, offset, footer.bloomBytes, "bloom filter", readBloom);
  offset += footer.bloomBytes;
  const states = readSection(input, offset, footer.statesBytes, "states", readStates);
  const corrupt = (at: number, reason: string): never => {
    throw new SnapshotCorruptError(input.path, { reason, offset: at });
  };
  const end = index.offsetOf(index.blockCount);
  if (end !== footer.indexOffset) corrupt(end, `the blocks end here, the index is at ${footer.indexOffset}`);
  if (index.blockCount !== footer.blockCount) {
    corrupt(footer.indexOffset, `the index has ${index.blockCount} blocks, the footer ${footer.blockCount}`);
  }
  const smallest = keyGroups[0]?.keyGroup ?? 0;
  const largest = keyGroups.at(-1)?.keyGroup ?? 0;
  if (smallest !== footer.smallestKeyGroup || largest !== footer.largestKeyGroup) {
    corrupt(footer.indexOffset, `key groups are ${smallest}..${largest}, the footer says otherwise`);
  }
  return { footer, index, bloom, states };
}

/** Checks header and footer. */
function readEnds(input: RunInput, expectedCrc: number): RunFooter {
  const { path, sizeBytes } = input;
  if (sizeBytes < HEADER_BYTES + FOOTER_BYTES) {
    throw new SnapshotCorruptError(path, { reason: `${sizeBytes} bytes are too few for a run`, offset: sizeBytes });
  }
  checkMagic(path, readBytes(input, 0, HEADER_BYTES), 0);
  const offset = sizeBytes - FOOTER_BYTES;
  const bytes = readBytes(input, offset, FOOTER_BYTES);
  const versionAt = FOOTER_BYTES - 12;
  const stored = new ByteReader(bytes, FOOTER_BYTES - 4).u32();
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
  checkMagic(path, tail, offset + versionAt);
  return decode(path, offset, () => {
    const footer = readFooter(new ByteReader(bytes, 0, versionAt));
    const sections = footer.indexBytes + footer.keyGroupsBytes + footer.bloomBytes + footer.statesBytes;
    if (footer.indexOffset + sections !== offset) {
      throw new SnapshotCorruptError(path, { reason: "the sections do not end where the footer begins", offset });
    }
    if ((footer.flags & ~KNOWN_RUN_FLAGS) !== 0) {
      throw new SnapshotCorruptError(path, { reason: `flags ${footer.flags} are not known to this program`, offset });
    }
    return footer;
  });
}

function readBytes(input: RunInput, offset: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  input.read(bytes, offset);
  return bytes;
}

function checkMagic(path: string, bytes: Uint8Array, offset: number): void {
  for (let i = 0; i < MAGIC.length; i++) {
    if (bytes[i] !== MAGIC[i]) throw new SnapshotCorruptError(path, { reason: "this is no sorted run", offset });
  }
  const version = bytes[MAGIC.length];
  if (version !== FORMAT_VERSION) {
    const reason = `format version is ${version}, this program reads ${FORMAT_VERSION}`;
    throw new SnapshotCorruptError(path, { reason, offset });
  }
}

function readSection<T>(
  input: RunInput,
  offset: number,
  size: number,
  name: string,
  read: (reader: ByteReader) => T,
): T {
  const path = input.path;
  if (size < 5) throw new SnapshotCorruptError(path, { reason: `section ${name} has ${size} bytes`, offset });
  const bytes = readBytes(input, offset, size);
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
