/**
 * Reads the bytes of a `_metadata` and trusts none of them.
 *
 * Called by: recovery.ts, control/.
 * Calls: core/, metadata.ts (the grammar's constants).
 *
 * Invariants:
 * - whatever the bytes are, the outcome is the content that was written or a SnapshotCorruptError;
 * - memory is bounded by the number of bytes given.
 *
 * @module
 */
import { ByteReader, crc32 } from "../core/bytes.ts";
import { readCesu8 } from "../core/cesu8.ts";
import { SnapshotCorruptError, StreamError } from "../core/errors.ts";
import { type KeyGroupRange, MAX_PARALLELISM_LIMIT } from "../core/key_groups.ts";
import type { SerializerSnapshot } from "../core/serializer.ts";
import type { FileRef, KeyedStateHandle, LogSegment, OperatorList, RunHandle } from "../core/snapshot.ts";
import type { CheckpointMetadata, JobStart, OperatorCheckpoint, SubtaskEntry } from "./completed_checkpoint.ts";
import {
  CHECKPOINT_FORMATS,
  FILE_SCOPES,
  LIST_DISTRIBUTIONS,
  METADATA_HEADER_BYTES,
  METADATA_MAGIC,
  METADATA_SIZE_OFFSET,
  READABLE_METADATA_VERSIONS,
  SUBTASK_BITS,
} from "./metadata.ts";

/** What a file of a checkpoint may be called: nothing that leads out of its folder. */
const FILE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
/** Version 1 did not say. */
const WRITER_OF_VERSION_1: SerializerSnapshot = Object.freeze({ id: "auto", version: 1, schemaVersion: 1 });
/** Fewest bytes that an operator, a run, a segment, a list and a list item take. */
const MIN_BYTES = { operator: 6, run: 12, segment: 11, list: 3, item: 1 } as const;

/**
 * What `encodeMetadata` has written.
 *
 * @param path Names the file in errors.
 * @throws {SnapshotCorruptError} If any byte differs from what was written.
 */
export function decodeMetadata(bytes: Uint8Array, path: string): CheckpointMetadata {
  checkFrame(bytes, path);
  const input = new ByteReader(bytes, METADATA_HEADER_BYTES, bytes.length - 4);
  try {
    const metadata = readBody(input, bytes[METADATA_MAGIC.length]!);
    if (input.remaining > 0) input.fail(`${input.remaining} bytes follow the last operator`);
    return metadata;
  } catch (cause) {
    // The reader's own errors name a position, not the file.
    if (!(cause instanceof StreamError || cause instanceof RangeError)) throw cause;
    throw new SnapshotCorruptError(path, { reason: cause.message, offset: input.position, cause });
  }
}

function checkFrame(bytes: Uint8Array, path: string): void {
  const corrupt = (reason: string, offset: number) => new SnapshotCorruptError(path, { reason, offset });
  if (bytes.length === 0) throw corrupt("the file is empty, must be the metadata of a checkpoint", 0);
  for (let i = 0; i < METADATA_MAGIC.length; i++) {
    if (bytes[i] !== METADATA_MAGIC.charCodeAt(i)) throw corrupt(`it does not begin with "${METADATA_MAGIC}"`, i);
  }
  if (bytes.length < METADATA_HEADER_BYTES + 4) throw corrupt(`it ends after ${bytes.length} bytes`, bytes.length);
  const input = new ByteReader(bytes, METADATA_SIZE_OFFSET);
  const size = input.u32();
  if (size !== bytes.length) {
    throw corrupt(`it has ${bytes.length} bytes, its header says ${size}`, METADATA_SIZE_OFFSET);
  }
  const expected = new ByteReader(bytes, bytes.length - 4).u32();
  const actual = crc32(bytes.subarray(0, bytes.length - 4));
  if (actual !== expected) {
    const hex = (crc: number) => `0x${crc.toString(16).padStart(8, "0")}`;
    throw corrupt(`crc32 is ${hex(actual)}, the file says ${hex(expected)}`, bytes.length - 4);
  }
  // After the checksum: a flipped version is damage, another version is another program's.
  const version = bytes[METADATA_MAGIC.length]!;
  if (!READABLE_METADATA_VERSIONS.includes(version)) {
    const readable = `${READABLE_METADATA_VERSIONS.slice(0, -1).join(", ")} and ${READABLE_METADATA_VERSIONS.at(-1)}`;
    throw corrupt(`its format has version ${version}, this program reads ${readable}`, METADATA_MAGIC.length);
  }
}

function readBody(input: ByteReader, version: number): CheckpointMetadata {
  const checkpointId = input.varint();
  if (checkpointId === 0) input.fail("the checkpoint id is 0");
  const timestampMs = readTime(input);
  const format = CHECKPOINT_FORMATS[input.u8()];
  if (format === undefined) return input.fail("unknown type of a checkpoint");
  const isFinal = readBit(input);
  const job = readJob(input);
  const operators: OperatorCheckpoint[] = [];
  for (let left = readCount(input, MIN_BYTES.operator); left > 0; left--) {
    const operator = readOperator(input, version);
    const previous = operators.at(-1);
    if (previous !== undefined && previous.id >= operator.id) input.fail(`operator ids are not ascending`);
    operators.push(operator);
  }
  const type = format === null ? "checkpoint" : "savepoint";
  return { checkpointId, timestampMs, type, format, isFinal, job, operators };
}

function readJob(input: ByteReader): JobStart {
  const id = readText(input);
  const name = readText(input);
  const startedMs = readTime(input);
  const restoredFrom = input.varint();
  return { id, name, startedMs, restoredFrom: restoredFrom === 0 ? null : restoredFrom };
}

function readOperator(input: ByteReader, version: number): OperatorCheckpoint {
  const id = readText(input);
  const name = readText(input);
  const parallelism = input.varint();
  const maxParallelism = input.varint();
  if (maxParallelism < 1 || maxParallelism > MAX_PARALLELISM_LIMIT) input.fail(`max parallelism is ${maxParallelism}`);
  if (parallelism < 1 || parallelism > maxParallelism) input.fail(`parallelism is ${parallelism} of ${maxParallelism}`);
  const finished = readBit(input);
  input.need(parallelism);
  const subtasks: SubtaskEntry[] = [];
  for (let i = 0; i < parallelism; i++) subtasks.push(readSubtask(input, version));
  return { id, name, parallelism, maxParallelism, finished, subtasks };
}

function readSubtask(input: ByteReader, version: number): SubtaskEntry {
  const bits = input.u8();
  if (bits > 7 || (bits & (SUBTASK_BITS.snapshot | SUBTASK_BITS.keyed)) === SUBTASK_BITS.keyed) {
    input.fail(`subtask has bits ${bits}`);
  }
  const finished = (bits & SUBTASK_BITS.finished) !== 0;
  if ((bits & SUBTASK_BITS.snapshot) === 0) return { finished, snapshot: null };
  const keyed = (bits & SUBTASK_BITS.keyed) === 0 ? null : readKeyed(input, version);
  return { finished, snapshot: { keyed, lists: readLists(input, version) } };
}

function readKeyed(input: ByteReader, version: number): KeyedStateHandle {
  const keyGroups = readGroups(input);
  const nextListNumber = input.varint();
  const incrementBytes = input.varint();
  const fullBytes = input.varint();
  const runs: RunHandle[] = [];
  for (let left = readCount(input, MIN_BYTES.run); left > 0; left--) {
    runs.push({
      file: readRef(input),
      level: input.varint(),
      keyGroups: readGroups(input),
      rowCount: input.varint(),
      footerCrc32: input.u32(),
    });
  }
  const log = version < 3 ? [] : readLog(input);
  return { keyGroups, runs, ...(log.length > 0 && { log }), nextListNumber, incrementBytes, fullBytes };
}

function readLog(input: ByteReader): LogSegment[] {
  const log: LogSegment[] = [];
  for (let left = readCount(input, MIN_BYTES.segment); left > 0; left--) {
    log.push({
      file: readRef(input),
      keyGroups: readGroups(input),
      entryCount: input.varint(),
      footerCrc32: input.u32(),
    });
  }
  return log;
}

function readGroups(input: ByteReader): KeyGroupRange {
  const start = input.u16();
  const end = input.u16();
  if (start > end || end >= MAX_PARALLELISM_LIMIT) input.fail(`key groups are ${start}..${end}`);
  return { start, end };
}

function readRef(input: ByteReader): FileRef {
  const scope = FILE_SCOPES[input.u8()];
  if (scope === undefined) return input.fail("unknown scope of a file");
  if (scope === "inline") {
    const sizeBytes = input.varint();
    return { scope, bytes: input.bytes(sizeBytes), sizeBytes };
  }
  const name = readText(input);
  if (!FILE_NAME.test(name)) input.fail(`file name ${JSON.stringify(name)} is not allowed`);
  return { scope, name, sizeBytes: input.varint() };
}

function readLists(input: ByteReader, version: number): Record<string, OperatorList> {
  const lists: [string, OperatorList][] = [];
  for (let left = readCount(input, MIN_BYTES.list); left > 0; left--) {
    const name = readText(input);
    const previous = lists.at(-1);
    if (previous !== undefined && previous[0] >= name) input.fail("names of lists are not ascending");
    const distribution = LIST_DISTRIBUTIONS[input.u8()];
    if (distribution === undefined) return input.fail("unknown distribution of a list");
    const serializer = version === 1 ? WRITER_OF_VERSION_1 : readWriter(input);
    const items: Uint8Array[] = [];
    for (let i = readCount(input, MIN_BYTES.item); i > 0; i--) items.push(input.bytes(input.varint()));
    lists.push([name, { distribution, items, serializer }]);
  }
  // Defines own properties, whatever they are called.
  return Object.fromEntries(lists);
}

function readWriter(input: ByteReader): SerializerSnapshot {
  const serializer = { id: readText(input), version: input.varint(), schemaVersion: input.varint() };
  if (serializer.version === 0 || serializer.schemaVersion === 0) input.fail("a serializer has version 0");
  return serializer;
}

/** A number of things that take at least `minBytes` each. */
function readCount(input: ByteReader, minBytes: number): number {
  const count = input.varint();
  if (count * minBytes > input.remaining) input.fail(`${count} things cannot be in ${input.remaining} bytes`);
  return count;
}

function readText(input: ByteReader): string {
  const size = input.varint();
  input.need(size);
  return readCesu8(input, size);
}

function readTime(input: ByteReader): number {
  const timeMs = input.f64();
  if (!Number.isFinite(timeMs)) input.fail(`a time is ${timeMs}`);
  return timeMs;
}

function readBit(input: ByteReader): boolean {
  const bit = input.u8();
  if (bit > 1) input.fail(`a flag is ${bit}`);
  return bit === 1;
}
