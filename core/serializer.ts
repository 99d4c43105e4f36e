/**
 * Serializers: how a value of state becomes bytes, and whether bytes of an older snapshot can still be read.
 *
 * Called by: state descriptors, backends, timers, snapshot codecs.
 * Calls: core/bytes.ts, core/cesu8.ts, core/integer_bytes.ts, core/errors.ts.
 *
 * @module
 */

import type { ByteReader, ByteWriter } from "./bytes.ts";
import { readCesu8, writeCesu8 } from "./cesu8.ts";
import { StreamError } from "./errors.ts";
import { readMagnitude, writeMagnitude } from "./integer_bytes.ts";

/** What a snapshot remembers of the serializer that wrote its values. */
export interface SerializerSnapshot {
  /** {@link Serializer.id} of the writer. */
  readonly id: string;
  /** {@link Serializer.version} of the writer. */
  readonly version: number;
  /** {@link Serializer.schemaVersion} of the writer. */
  readonly schemaVersion: number;
}

/**
 * What restoring with a serializer means for values written by another: read them as they are, read them with
 * {@link Serializer.migrate} and write them anew, go on with what {@link Serializer.reconfigure} returns, or refuse.
 */
export type Compatibility = "as-is" | "migrate" | "reconfigured" | "incompatible";

/**
 * Turns values into bytes and back. Any object with these members will do; it must keep no reference to a value, a
 * writer or a reader between calls.
 *
 * @example
 * ```ts
 * import { compatibilityOf, type Serializer } from "./serializer.ts";
 *
 * interface Point { x: number; y: number }
 *
 * const point: Serializer<Point> = {
 *   id: "point",
 *   version: 1,
 *   immutable: false,
 *   write: (value, out) => {
 *     out.f64(value.x);
 *     out.f64(value.y);
 *   },
 *   read: (input) => ({ x: input.f64(), y: input.f64() }),
 *   compatibilityWith: (previous) => compatibilityOf(point, previous),
 * };
 * ```
 */
export interface Serializer<T> {
  /** Stable name, part of the snapshot format. */
  readonly id: string;
  /** Format of the bytes, an integer ≥ 1; raise it when the format changes. */
  readonly version: number;
  /**
   * Version of what the values mean, an integer ≥ 1; 1 when absent. A state that is declared with a `version` has it
   * from there; the format of the bytes has {@link Serializer.version}.
   */
  readonly schemaVersion?: number;
  /** True if every value is an immutable primitive, so that a backend may share it instead of copying it. */
  readonly immutable: boolean;
  /** Appends `value` to `out`. */
  write(value: T, out: ByteWriter): void;
  /** Reads one value from exactly `input.position..input.end`, and leaves `input.position` at `input.end`. */
  read(input: ByteReader): T;
  /** Whether values written by `previous` can be read. */
  compatibilityWith(previous: SerializerSnapshot): Compatibility;
  /** Reads, as {@link Serializer.read} does, a value that an earlier version of this serializer wrote. */
  migrate?(input: ByteReader, previous: SerializerSnapshot): T;
  /**
   * Called after the answer "reconfigured": the serializer that reads and writes all values of the state from then on,
   * instead of this one; for example one that goes on in the format of `previous`. It must answer "as-is" or "migrate"
   * to `previous`.
   */
  reconfigure?(previous: SerializerSnapshot): Serializer<T>;
  /**
   * Throws a StreamError "invalid" if `value` cannot be written; `where` names the state, e.g. `state "total"`.
   * Called at once by `update()` and the like when writing is put off, and to name the state when `write` failed.
   */
  check?(value: T, where: string): void;
}

/** What a snapshot remembers of a serializer. */
export function snapshotOf(
  serializer: Pick<Serializer<never>, "id" | "version" | "schemaVersion">,
): SerializerSnapshot {
  return { id: serializer.id, version: serializer.version, schemaVersion: serializer.schemaVersion ?? 1 };
}

/**
 * The usual answer to {@link Serializer.compatibilityWith}: same id and versions "as-is"; same id, an older version and
 * a `migrate` method "migrate"; otherwise "incompatible".
 */
export function compatibilityOf(
  serializer: {
    readonly id: string;
    readonly version: number;
    readonly schemaVersion?: number;
    readonly migrate?: unknown;
  },
  previous: SerializerSnapshot,
): Compatibility {
  const { id, version, schemaVersion = 1, migrate } = serializer;
  if (id !== previous.id || version < previous.version || schemaVersion < previous.schemaVersion) return "incompatible";
  if (version === previous.version && schemaVersion === previous.schemaVersion) return "as-is";
  return migrate === undefined ? "incompatible" : "migrate";
}

/** Whether `value` is a primitive, which nobody can change after handing it over. */
export function isImmutable(value: unknown): boolean {
  return value === null || (typeof value !== "object" && typeof value !== "function");
}

/**
 * Appends `value` to `out`; on failure leaves `out` as it was and throws an error that names `where`.
 *
 * @param where Names the state, e.g. `state "total"`.
 * @throws {StreamError} Of kind "invalid" if the serializer refuses the value.
 */
export function writeValue<T>(serializer: Serializer<T>, value: T, out: ByteWriter, where: string): void {
  const start = out.length;
  try {
    serializer.write(value, out);
  } catch (error) {
    out.reset(start);
    serializer.check?.(value, where);
    const reason = error instanceof Error ? error.message : String(error);
    throw new StreamError(
      "invalid",
      `Cannot store a value in ${where}: serializer "${serializer.id}" failed with "${reason}", it must accept every ` +
        `value of the state; store another value or name another serializer in the descriptor`,
      { cause: error },
    );
  }
}

/** The refusal of a value by a built-in serializer. `where` names the state, `what` says what the value is. */
export function refusedValue(where: string, what: string, must: string, remedy: string): StreamError {
  return new StreamError("invalid", `Cannot store a value in ${where}: ${what}, must be ${must}; ${remedy}`);
}

const NO_STATE = "state";

function refusedType(value: unknown, where: string, id: string, must: string): StreamError {
  const what = value === null ? "null" : Array.isArray(value) ? "an array" : `of type ${typeof value}`;
  return refusedValue(
    where,
    `it is ${what}`,
    `${must} for serializer "${id}"`,
    "name another serializer for this state",
  );
}

/** 64-bit float: `f64` big endian. NaN, infinities and -0 included. */
class F64Serializer implements Serializer<number> {
  readonly id = "f64";
  readonly version = 1;
  readonly immutable = true;

  write(value: number, out: ByteWriter): void {
    if (typeof value !== "number") this.check(value, NO_STATE);
    out.f64(value);
  }

  read(input: ByteReader): number {
    return input.f64();
  }

  compatibilityWith(previous: SerializerSnapshot): Compatibility {
    return compatibilityOf(this, previous);
  }

  check(value: unknown, where: string): void {
    if (typeof value !== "number") throw refusedType(value, where, this.id, "a number");
  }
}

/** String: its UTF-16 units in CESU-8, to the end. Lone surrogates included. */
class StrSerializer implements Serializer<string> {
  readonly id = "str";
  readonly version = 1;
  readonly immutable = true;

  write(value: string, out: ByteWriter): void {
    if (typeof value !== "string") this.check(value, NO_STATE);
    writeCesu8(out, value);
  }

  read(input: ByteReader): string {
    return readCesu8(input, input.end - input.position);
  }

  compatibilityWith(previous: SerializerSnapshot): Compatibility {
    return compatibilityOf(this, previous);
  }

  check(value: unknown, where: string): void {
    if (typeof value !== "string") throw refusedType(value, where, this.id, "a string");
  }
}

/** Bytes: themselves, to the end. Copied on the way in and out; a reader with a pool gives parts of larger buffers. */
class BytesSerializer implements Serializer<Uint8Array> {
  readonly id = "bytes";
  readonly version = 1;
  readonly immutable = false;

  write(value: Uint8Array, out: ByteWriter): void {
    if (!(value instanceof Uint8Array)) this.check(value, NO_STATE);
    out.bytes(value);
  }

  read(input: ByteReader): Uint8Array {
    return input.pooledBytes(input.end - input.position);
  }

  compatibilityWith(previous: SerializerSnapshot): Compatibility {
    return compatibilityOf(this, previous);
  }

  check(value: unknown, where: string): void {
    if (!(value instanceof Uint8Array)) throw refusedType(value, where, this.id, "a Uint8Array");
  }
}

/** Boolean: one byte, 0 or 1. */
class BoolSerializer implements Serializer<boolean> {
  readonly id = "bool";
  readonly version = 1;
  readonly immutable = true;

  write(value: boolean, out: ByteWriter): void {
    if (typeof value !== "boolean") this.check(value, NO_STATE);
    out.u8(value ? 1 : 0);
  }

  read(input: ByteReader): boolean {
    const byte = input.u8();
    if (byte > 1) input.fail(`${byte} is no boolean`);
    return byte === 1;
  }

  compatibilityWith(previous: SerializerSnapshot): Compatibility {
    return compatibilityOf(this, previous);
  }

  check(value: unknown, where: string): void {
    if (typeof value !== "boolean") throw refusedType(value, where, this.id, "a boolean");
  }
}

/** Bigint: one byte 0 (≥ 0) or 1 (< 0), then the magnitude big endian to the end. */
class BigintSerializer implements Serializer<bigint> {
  readonly id = "bigint";
  readonly version = 1;
  readonly immutable = true;

  write(value: bigint, out: ByteWriter): void {
    if (typeof value !== "bigint") this.check(value, NO_STATE);
    out.u8(value < 0n ? 1 : 0);
    writeMagnitude(out, value < 0n ? -value : value);
  }

  read(input: ByteReader): bigint {
    const sign = input.u8();
    if (sign > 1) input.fail("a bigint has no sign");
    const magnitude = readMagnitude(input, input.end - input.position);
    return sign === 1 ? -magnitude : magnitude;
  }

  compatibilityWith(previous: SerializerSnapshot): Compatibility {
    return compatibilityOf(this, previous);
  }

  check(value: unknown, where: string): void {
    if (typeof value !== "bigint") throw refusedType(value, where, this.id, "a bigint");
  }
}

/** Serializer of numbers, 8 bytes each; NaN, infinities and -0 survive. */
export const f64: Serializer<number> = new F64Serializer();
/** Serializer of strings; lossless for lone surrogates too. */
export const str: Serializer<string> = new StrSerializer();
/**
 * Serializer of byte arrays; copies in and out.
 *
 * What is read back is yours to change. State on disk gives arrays of up to 1 KiB that are parts of a larger `buffer`, as
 * Node's `Buffer` does: lay other arrays over one with its `byteOffset`, which is a multiple of eight, and `byteLength`;
 * never transfer its `buffer`; `slice()` what you keep for long, since a part keeps all 16 KiB.
 */
export const bytes: Serializer<Uint8Array> = new BytesSerializer();
/** Serializer of booleans, one byte each. */
export const bool: Serializer<boolean> = new BoolSerializer();
/** Serializer of bigints of any size. */
export const bigint: Serializer<bigint> = new BigintSerializer();
