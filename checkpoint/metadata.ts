/**
 * Writes what a checkpoint consists of into the bytes of its `_metadata`, and
 * reads it back.
 *
 * Called by: coordinator.ts (encode), recovery.ts (decode).
 * Calls: core/bytes.ts, core/cesu8.ts, metadata_reader.ts.
 *
 * Grammar of version 3 (numbers big endian; varint = unsigned LEB128, at most 2^53-1):
 *
 *     file      = "WEIRCHKP" version:u8(3) size:u32 body crc32:u32
 *     body      = checkpointId:varint timestampMs:f64 type:u8 final:u8 job operators:varint operator*
 *     job       = id:text name:text startedMs:f64 restoredFrom:varint
 *     operator  = id:text name:text parallelism:varint maxParallelism:varint finished:u8 subtask{parallelism}
 *     subtask   = bits:u8 keyed? lists?
 *     keyed     = groups nextListNumber:varint incrementBytes:varint fullBytes:varint runs:varint run*
 *                 segments:varint segment*
 *     run       = ref level:varint groups rowCount:varint footerCrc32:u32
 *     segment   = ref groups entryCount:varint footerCrc32:u32
 *     groups    = first:u16 last:u16
 *     ref       = 0 name:text size:varint | 1 name:text size:varint | 2 size:varint byte{size}
 *     lists     = count:varint list*
 *     list      = name:text distribution:u8 writer count:varint (size:varint byte{size})*
 *     writer    = serializer:text version:varint schemaVersion:varint
 *     text      = size:varint byte{size}
 *
 * `size` is that of the whole file. `crc32` covers all bytes before it. `type` is 0 for a checkpoint, 1 for
 * a canonical savepoint, 2 for a native one. `restoredFrom` is 0 after a fresh start. Bits of a subtask: 1 = it had finished, 2 = it has a snapshot (lists follow),
 * 4 = with keyed state (keyed follows). `ref` begins with its scope: 0 beside this file, 1 in the job's shared folder,
 * 2 here. `distribution` is 0 split, 1 union, 2 broadcast. Text is CESU-8. Operators are sorted by id and lists by name,
 * both by UTF-16 units, so equal content gives equal bytes. Version 2 had no `segments`: no log; version 1 had no `writer`
 * either: serializer "auto", version 1.
 *
 * @module
 */
import { ByteWriter, crc32 } from "../core/bytes.ts";
import { cesu8Size, writeCesu8 } from "../core/cesu8.ts";
import type { SavepointFormat } from "../core/element.ts";
import type { KeyGroupRange } from "../core/key_groups.ts";
import type {
  FileRef,
  KeyedStateHandle,
  ListDistribution,
  LogSegment,
  OperatorList,
  RunHandle,
} from "../core/snapshot.ts";
import type { CheckpointMetadata, OperatorCheckpoint, SubtaskEntry } from "./completed_checkpoint.ts";

/** First bytes of every `_metadata`. */
export const METADATA_MAGIC = "WEIRCHKP";
/** Version that is written. */
export const METADATA_VERSION = 3;
/** Versions that are read. */
export const READABLE_METADATA_VERSIONS: readonly number[] = [1, 2, 3];
/** By their number in the file. */
export const CHECKPOINT_FORMATS: readonly (SavepointFormat | null)[] = [null, "canonical", "native"];
/** Bytes before the body: magic, version, size. */
export const METADATA_HEADER_BYTES = 13;
/** Where the size of the file is. */
export const METADATA_SIZE_OFFSET = 9;
/** By their number in the file. */
export const LIST_DISTRIBUTIONS: readonly ListDistribution[] = ["split", "union", "broadcast"];
/** By their number in the file. */
export const FILE_SCOPES = ["exclusive", "shared", "inline"] as const;

/** Bits of a subtask. */
export const SUBTASK_BITS = { finished: 1, snapshot: 2, keyed: 4 } as const;

/** The bytes of `_metadata`. Equal content gives equal bytes. */
export function encodeMetadata(metadata: CheckpointMetadata): Uint8Array<ArrayBuffer> {
  const out = new ByteWriter(4096);
  for (let i = 0; i < METADATA_MAGIC.length; i++) out.u8(METADATA_MAGIC.charCodeAt(i));
  out.u8(METADATA_VERSION);
  out.u32(0);
  out.varint(metadata.checkpointId);
  out.f64(metadata.timestampMs);
  out.u8(CHECKPOINT_FORMATS.indexOf(metadata.format));
  out.u8(metadata.isFinal ? 1 : 0);
  writeText(out, metadata.job.id);
  writeText(out, metadata.job.name);
  out.f64(metadata.job.startedMs);
  out.varint(metadata.job.restoredFrom ?? 0);
  const operators = [...metadata.operators].sort((a, b) => compareText(a.id, b.id));
  out.varint(operators.length);
  for (const operator of operators) writeOperator(out, operator);
  out.setU32(METADATA_SIZE_OFFSET, out.length + 4);
  out.u32(crc32(out.view()));
  return out.copy();
}

/** Order of UTF-16 units, the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function writeText(out: ByteWriter, text: string): void {
  out.varint(cesu8Size(text));
  writeCesu8(out, text);
}

function writeOperator(out: ByteWriter, operator: OperatorCheckpoint): void {
  if (operator.subtasks.length !== operator.parallelism) {
    throw new RangeError(
      `Cannot write the state of operator "${operator.name}": it has ${operator.subtasks.length} subtasks, ` +
        `must have ${operator.parallelism}`,
    );
  }
  writeText(out, operator.id);
  writeText(out, operator.name);
  out.varint(operator.parallelism);
  out.varint(operator.maxParallelism);
  out.u8(operator.finished ? 1 : 0);
  for (const subtask of operator.subtasks) writeSubtask(out, subtask);
}

function writeSubtask(out: ByteWriter, { finished, snapshot }: SubtaskEntry): void {
  const keyed = snapshot?.keyed ?? null;
  out.u8(
    (finished ? SUBTASK_BITS.finished : 0) | (snapshot ? SUBTASK_BITS.snapshot : 0) | (keyed ? SUBTASK_BITS.keyed : 0),
  );
  if (keyed !== null) writeKeyed(out, keyed);
  if (snapshot === null) return;
  const names = Object.keys(snapshot.lists).sort(compareText);
  out.varint(names.length);
  for (const name of names) writeList(out, name, snapshot.lists[name]!);
}

function writeKeyed(out: ByteWriter, keyed: KeyedStateHandle): void {
  writeGroups(out, keyed.keyGroups);
  out.varint(keyed.nextListNumber);
  out.varint(keyed.incrementBytes);
  out.varint(keyed.fullBytes);
  out.varint(keyed.runs.length);
  for (const run of keyed.runs) writeRun(out, run);
  const { log = [] } = keyed;
  out.varint(log.length);
  for (const segment of log) writeSegment(out, segment);
}

function writeRun(out: ByteWriter, run: RunHandle): void {
  writeRef(out, run.file);
  out.varint(run.level);
  writeGroups(out, run.keyGroups);
  out.varint(run.rowCount);
  out.u32(run.footerCrc32);
}

function writeSegment(out: ByteWriter, { file, keyGroups, entryCount, footerCrc32 }: LogSegment): void {
  writeRef(out, file);
  writeGroups(out, keyGroups);
  out.varint(entryCount);
  out.u32(footerCrc32);
}

function writeGroups(out: ByteWriter, { start, end }: KeyGroupRange): void {
  out.u16(start);
  out.u16(end);
}

function writeRef(out: ByteWriter, file: FileRef): void {
  out.u8(FILE_SCOPES.indexOf(file.scope));
  if (file.scope !== "inline") writeText(out, file.name);
  out.varint(file.sizeBytes);
  if (file.scope === "inline") out.bytes(file.bytes);
}

function writeList(out: ByteWriter, name: string, { distribution, items, serializer }: OperatorList): void {
  writeText(out, name);
  out.u8(LIST_DISTRIBUTIONS.indexOf(distribution));
  writeText(out, serializer.id);
  out.varint(serializer.version);
  out.varint(serializer.schemaVersion);
  out.varint(items.length);
  for (const item of items) {
    out.varint(item.length);
    out.bytes(item);
  }
}
