/**
 * The sorted run, version 1: its grammar, constants and the shape of what its sections say. The same grammar with more
 * words is in docs/formats.md.
 *
 *     run       = header *block index key-groups bloom states footer     ; nothing in between, nothing after
 *     header    = "WEIRRUN" version
 *     version   = %x01
 *     block     = payload compression crc32      ; crc32 over payload and compression
 *     compression = %x00 | %x01                  ; none, zstd: the payload is then raw-size (u32) and a zstd frame of it
 *     payload   = 1*row *restart count           ; count: u32 = number of restarts
 *     restart   = u32                            ; offset in the payload of a row with shared = 0; the first is 0
 *     row       = kind shared unshared size key-suffix value
 *     kind      = %x00 (put) | %x01 (delete) | %x02 (delete-prefix)
 *     shared    = varint                         ; bytes of the row key that are those of the row before
 *     unshared  = varint                         ; size of key-suffix
 *     size      = varint                         ; size of value; 0 unless put
 *     value     = [stamp] *octet                 ; only in a state whose flags have bit 0
 *     stamp     = 8octet                         ; i64: when the value was written, milliseconds since 1970
 *     row key   = key-group state-id key namespace [map-key | list-number]
 *     key-group = u16
 *     state-id  = u16
 *     list-number = u64
 *     index     = count *(offset size last-key) first-key crc32    ; varints; keys are varint size, then bytes
 *     key-groups = count *(key-group block-number) crc32           ; varint, *(u16 varint): first block with rows of it
 *     bloom     = bloom-kind *octet crc32        ; %x00: none. A reader passes over a kind that it does not know
 *     bloom     =/ %x01 probes 1*line crc32      ; probes: octet, 1..16; line: 64 octets
 *     states    = count *state crc32             ; varint
 *     state     = state-id name state-kind serializer-id serializer-version flags count *property
 *     property  = varint text                    ; a reader passes over an id that it does not know
 *     property  =/ %x01 text                     ; schema version, decimal; absent when it is 1
 *     footer    = index-offset index-size groups-size bloom-size states-size       ; u64, then u32 each
 *                 row-count block-count smallest-group largest-group               ; u64 u32 u16 u16
 *                 flags version "WEIRRUN" crc32                                    ; u32, octet, 7 octets, u32
 *     flags     = sum of 1: no delete-prefix row; 2: some with a key of 4 bytes; 4: some blocks are compressed
 *
 * u16, u32 and u64 are big endian; text is a varint size and CESU-8; crc32 covers its section (the footer up to the
 * crc32 itself). Rows ascend by row key as unsigned bytes; no key occurs twice. A delete-prefix row hides the rows of
 * older runs whose keys start with its key; rows of its own run that do are newer than it, and come after it.
 *
 * Called by: the writer and reader beside it.
 * Calls: core/descriptors.ts for a type.
 *
 * @module
 */
import type { StateKind } from "../../core/descriptors.ts";
import type { RowKind } from "../../core/snapshot.ts";

/** First bytes of a run; its version follows. */
export const MAGIC: Uint8Array = new TextEncoder().encode("WEIRRUN");
/** The only version so far. */
export const FORMAT_VERSION = 1;
/** The payload is as it is. */
export const COMPRESSION_NONE = 0;
/** The payload is its size and a zstd frame. */
export const COMPRESSION_ZSTD = 1;
/** No bloom filter. */
export const BLOOM_NONE = 0;
/** The filter of bloom_filter.ts. */
export const BLOOM_LINES = 1;

/** Flag of a run without any delete-prefix row. Older writers never set it, so its absence says nothing. */
export const RUN_HIDES_NO_GROUPS = 1;
/** Flag of a run with a delete-prefix row of a whole state in a key group: one with a key of four bytes. */
export const RUN_HIDES_STATES = 2;
/** Flag of a run with compressed blocks. */
export const RUN_HAS_COMPRESSED_BLOCKS = 4;
/** A reader refuses others: it would not know what they promise. */
export const KNOWN_RUN_FLAGS: number = RUN_HIDES_NO_GROUPS | RUN_HIDES_STATES | RUN_HAS_COMPRESSED_BLOCKS;

/** Size of the header. */
export const HEADER_BYTES = 8;
/** What follows a block's payload: compression and CRC. */
export const BLOCK_TRAILER_BYTES = 5;
/** Size of the footer. */
export const FOOTER_BYTES: number = 8 + 4 * 4 + 8 + 4 + 2 + 2 + 4 + 1 + 7 + 4;
/** A block is closed by the row that takes it to this size. */
export const DEFAULT_BLOCK_BYTES = 16_384;
/** Rows between two restarts, unless told otherwise. */
export const RESTART_INTERVAL = 16;

/** Row kinds as they are stored. */
export const PUT = 0;
/** Hides the row of this key in older runs. */
export const DELETE = 1;
/** Hides the rows of older runs whose keys start with this key. */
export const DELETE_PREFIX = 2;

/** A row kind as it is stored. */
export type RowCode = typeof PUT | typeof DELETE | typeof DELETE_PREFIX;

/** Name of each stored row kind. */
export const ROW_KINDS: readonly RowKind[] = ["put", "delete", "delete-prefix"];

/** Bit of a state's flags: each value is preceded by an 8-byte time stamp. */
export const STATE_HAS_STAMPS = 1;

/** Property of a state: its schema version as a decimal number; absent when that is 1. */
export const SCHEMA_VERSION_PROPERTY = 1;

/** What a state of a run is: one of the five kinds, or rows of another owner (timers). */
export type RunStateKind = StateKind | "rows";

/** State kinds in the order of their codes. */
export const STATE_KINDS: readonly RunStateKind[] = ["value", "list", "map", "reducing", "aggregating", "rows"];

/** One line of the state table. */
export interface RunState {
  /** 0..65535, unique within a run, and kept by a state for ever. */
  readonly id: number;
  readonly name: string;
  readonly kind: RunStateKind;
  /** Empty for rows of another owner. */
  readonly serializerId: string;
  readonly serializerVersion: number;
  /** Version of what the values mean, ≥ 1; property 1 of the state, absent when it is 1. */
  readonly schemaVersion: number;
  /** See {@link STATE_HAS_STAMPS}. */
  readonly flags: number;
}

/** First block that holds rows of a key group. */
export interface KeyGroupEntry {
  readonly keyGroup: number;
  readonly block: number;
}

/** What the footer says. */
export interface RunFooter {
  readonly indexOffset: number;
  readonly indexBytes: number;
  readonly keyGroupsBytes: number;
  readonly bloomBytes: number;
  readonly statesBytes: number;
  readonly rowCount: number;
  readonly blockCount: number;
  /** 0 when there are no rows, as is the largest. */
  readonly smallestKeyGroup: number;
  readonly largestKeyGroup: number;
  /** See {@link RUN_HIDES_NO_GROUPS} and those below it. */
  readonly flags: number;
}
