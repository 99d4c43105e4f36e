/**
 * Encodes and decodes the sections of a run that are not rows.
 *
 * Called by: run_encoder.ts, run_frame.ts.
 * Calls: core/bytes.ts, core/cesu8.ts, bloom_filter.ts for constants.
 *
 * @module
 */
import { type ByteReader, type ByteWriter, crc32 } from "../../core/bytes.ts";
import { readCesu8, writeCesu8 } from "../../core/cesu8.ts";
import { LINE_BYTES, MAX_PROBES } from "./bloom_filter.ts";
import {
  BLOOM_LINES,
  BLOOM_NONE,
  FORMAT_VERSION,
  type KeyGroupEntry,
  MAGIC,
  type RunFooter,
  type RunState,
  SCHEMA_VERSION_PROPERTY,
  STATE_HAS_STAMPS,
  STATE_KINDS,
} from "./run_format.ts";

const TWO_TO_32 = 0x1_0000_0000;

/** Appends an integer in 0..2^53-1 as eight bytes, big endian. */
export function writeU64(out: ByteWriter, value: number): void {
  out.u32(Math.floor(value / TWO_TO_32));
  out.u32(value % TWO_TO_32);
}

/** Reads what {@link writeU64} wrote. */
export function readU64(input: ByteReader): number {
  const high = input.u32();
  if (high > 0x1f_ffff) input.fail("a 64-bit number is above 2^53-1");
  return high * TWO_TO_32 + input.u32();
}

function writeText(out: ByteWriter, text: string): void {
  const start = out.length;
  writeCesu8(out, text);
  const size = out.length - start;
  const encoded = out.copy(start);
  out.reset(start);
  out.varint(size);
  out.bytes(encoded);
}

function readText(input: ByteReader): string {
  return readCesu8(input, input.varint());
}

/** Appends the CRC-32 of what was written from `start` on; returns it. */
export function sealSection(out: ByteWriter, start: number): number {
  const crc = crc32(out.view(start));
  out.u32(crc);
  return crc;
}

/** Appends "WEIRRUN" and the version. */
export function writeHeader(out: ByteWriter): void {
  out.bytes(MAGIC);
  out.u8(FORMAT_VERSION);
}

/** Appends the index section; `entries` holds offset, size and last key of each block. */
export function writeIndex(out: ByteWriter, blockCount: number, entries: ByteWriter, firstKey: Uint8Array): void {
  const start = out.length;
  out.varint(blockCount);
  out.bytes(entries.buffer, 0, entries.length);
  out.varint(firstKey.length);
  out.bytes(firstKey);
  sealSection(out, start);
}

/** Appends the key-group section. */
export function writeKeyGroups(out: ByteWriter, entries: readonly KeyGroupEntry[]): void {
  const start = out.length;
  out.varint(entries.length);
  for (const entry of entries) {
    out.u16(entry.keyGroup);
    out.varint(entry.block);
  }
  sealSection(out, start);
}

/** Reads a key-group section without its CRC. */
export function readKeyGroups(input: ByteReader): KeyGroupEntry[] {
  const count = input.varint();
  const entries: KeyGroupEntry[] = [];
  for (let i = 0; i < count; i++) entries.push({ keyGroup: input.u16(), block: input.varint() });
  return entries;
}

/** Appends a bloom section that says there is none. */
export function writeNoBloom(out: ByteWriter): void {
  const start = out.length;
  out.u8(BLOOM_NONE);
  sealSection(out, start);
}

/** Appends a bloom section with the filter of bloom_filter.ts. */
export function writeBloom(out: ByteWriter, probes: number, lines: Uint8Array): void {
  const start = out.length;
  out.u8(BLOOM_LINES);
  out.u8(probes);
  out.bytes(lines);
  sealSection(out, start);
}

/** A bloom filter as bloom_filter.ts asks it. */
export interface BloomLines {
  readonly probes: number;
  readonly lines: Uint8Array;
}

/** Reads a bloom section without its CRC; null for a kind that is not known here, or none. */
export function readBloom(input: ByteReader): BloomLines | null {
  const kind = input.u8();
  if (kind !== BLOOM_LINES) {
    input.position = input.end;
    return null;
  }
  const probes = input.u8();
  const size = input.remaining;
  if (probes === 0 || probes > MAX_PROBES) input.fail(`a bloom filter has ${probes} probes`);
  if (size === 0 || size % LINE_BYTES !== 0) input.fail(`a bloom filter has ${size} bytes`);
  return { probes, lines: input.bytes(size) };
}

/** Appends the state section. */
export function writeStates(out: ByteWriter, states: readonly RunState[]): void {
  const start = out.length;
  out.varint(states.length);
  for (const state of states) {
    out.u16(state.id);
    writeText(out, state.name);
    out.u8(STATE_KINDS.indexOf(state.kind));
    writeText(out, state.serializerId);
    out.varint(state.serializerVersion);
    out.u8(state.flags);
    if (state.schemaVersion === 1) out.varint(0);
    else {
      out.varint(1);
      out.varint(SCHEMA_VERSION_PROPERTY);
      writeText(out, String(state.schemaVersion));
    }
  }
  sealSection(out, start);
}

/** Reads a state section without its CRC. */
export function readStates(input: ByteReader): RunState[] {
  const count = input.varint();
  const states: RunState[] = [];
  for (let i = 0; i < count; i++) {
    const id = input.u16();
    const name = readText(input);
    const code = input.u8();
    const kind = STATE_KINDS[code];
    if (kind === undefined) return input.fail(`${code} is no kind of state`);
    const serializerId = readText(input);
    const serializerVersion = input.varint();
    const flags = input.u8();
    if (flags > STATE_HAS_STAMPS) input.fail(`state "${name}" has the unknown flags ${flags}`);
    const schemaVersion = readSchemaVersion(input, name);
    states.push({ id, name, kind, serializerId, serializerVersion, schemaVersion, flags });
  }
  return states;
}

/** Reads the properties of a state; passes over those that it does not know. */
function readSchemaVersion(input: ByteReader, name: string): number {
  let schemaVersion = 1;
  for (let properties = input.varint(); properties > 0; properties--) {
    const property = input.varint();
    const text = readText(input);
    if (property !== SCHEMA_VERSION_PROPERTY) continue;
    if (!/^[1-9][0-9]{0,14}$/.test(text)) input.fail(`state "${name}" has the schema version "${text}"`);
    schemaVersion = Number(text);
  }
  return schemaVersion;
}

/** Appends the footer; returns its CRC-32. */
export function writeFooter(out: ByteWriter, footer: RunFooter): number {
  const start = out.length;
  writeU64(out, footer.indexOffset);
  out.u32(footer.indexBytes);
  out.u32(footer.keyGroupsBytes);
  out.u32(footer.bloomBytes);
  out.u32(footer.statesBytes);
  writeU64(out, footer.rowCount);
  out.u32(footer.blockCount);
  out.u16(footer.smallestKeyGroup);
  out.u16(footer.largestKeyGroup);
  out.u32(footer.flags);
  out.u8(FORMAT_VERSION);
  out.bytes(MAGIC);
  return sealSection(out, start);
}

/** Reads a footer without version, magic and CRC. */
export function readFooter(input: ByteReader): RunFooter {
  return {
    indexOffset: readU64(input),
    indexBytes: input.u32(),
    keyGroupsBytes: input.u32(),
    bloomBytes: input.u32(),
    statesBytes: input.u32(),
    rowCount: readU64(input),
    blockCount: input.u32(),
    smallestKeyGroup: input.u16(),
    largestKeyGroup: input.u16(),
    flags: input.u32(),
  };
}
