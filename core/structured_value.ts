/**
 * Bytes of plain data: CBOR where the library keeps every detail, the exact codec where not, refusal of the rest.
 *
 *     structured = %x08 cbor        ; RFC 8949, no records; a Map is tag 259, a Set tag 258
 *                | %x09 value       ; grammar of core/exact_value.ts
 *
 * Called by: core/cbor_serializer.ts, core/auto_serializer.ts.
 * Calls: cbor-x (the JavaScript-only entry), core/exact_value.ts, core/bytes.ts, core/errors.ts.
 *
 * @module
 */

import { Decoder, Encoder } from "cbor-x/encode";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { StreamError } from "./errors.ts";
import { MAX_VALUE_DEPTH, readExact, TYPED_ARRAYS, writeExact } from "./exact_value.ts";
import { refusedValue } from "./serializer.ts";

/** First byte of a value in CBOR. */
export const TAG_CBOR = 0x08;
/** First byte of a value in the exact codec. */
export const TAG_EXACT = 0x09;

/** How a value can be stored: CBOR, the exact codec, not at all. Ordered, so that a container is its worst part. */
const CBOR = 0;
const EXACT = 1;
const REFUSED = 2;
type Fit = typeof CBOR | typeof EXACT | typeof REFUSED;

/** cbor-x counts the properties of an object in 16 bits. */
const MAX_CBOR_PROPERTIES = 0xffff;
/** cbor-x keeps dates in seconds: beyond this many milliseconds a float of seconds is too coarse. */
const MAX_CBOR_DATE_MS = 1e14;

const encoder = new Encoder({ useRecords: false });
const decoder = new Decoder({ useRecords: false, mapsAsObjects: true, copyBuffers: true });

/**
 * Appends `value`.
 *
 * @throws {StreamError} Of kind "invalid", naming `where` and the field, if `value` would not come back as it is.
 */
export function writeStructured(out: ByteWriter, value: unknown, where: string): void {
  const fit = fitOf(value, 0);
  if (fit === CBOR) {
    out.u8(TAG_CBOR);
    // What encode returns is a view on a buffer that cbor-x writes into again.
    out.bytes(encoder.encode(value));
  } else if (fit === EXACT) {
    out.u8(TAG_EXACT);
    writeExact(out, value);
  } else {
    throw refusal(value, where);
  }
}

/** Throws as {@link writeStructured} would, and writes nothing. */
export function checkStructured(value: unknown, where: string): void {
  if (fitOf(value, 0) === REFUSED) throw refusal(value, where);
}

/** Reads what follows `tag` up to `input.end`. Throws a StreamError of kind "corrupt" if it cannot be decoded. */
export function readStructured(input: ByteReader, tag: number): unknown {
  if (tag === TAG_EXACT) {
    const value = readExact(input);
    if (input.position !== input.end) input.fail("bytes follow the value");
    return value;
  }
  if (tag !== TAG_CBOR) return input.fail(`0x${tag.toString(16)} is not the tag of a value`);
  const encoded = input.view(input.end - input.position);
  let value: unknown;
  try {
    value = decoder.decode(encoded);
  } catch (error) {
    input.fail(`CBOR does not decode (${error instanceof Error ? error.message : String(error)})`);
  }
  return value;
}

function fitOf(value: unknown, depth: number): Fit {
  switch (typeof value) {
    case "number":
      return value === 0 && 1 / value < 0 ? EXACT : CBOR;
    case "string":
      return value.isWellFormed() ? CBOR : EXACT;
    case "boolean":
    case "undefined":
    case "bigint":
      return CBOR;
    case "object":
      return value === null ? CBOR : fitOfObject(value, depth);
    default:
      return REFUSED;
  }
}

function fitOfObject(value: object, depth: number): Fit {
  if (depth >= MAX_VALUE_DEPTH) return REFUSED;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) return fitOfProperties(value, depth);
  if (prototype === Array.prototype) return fitOfArray(value as unknown[], depth); // only arrays have this prototype
  if (prototype === null) return fitOfProperties(value, depth) === REFUSED ? REFUSED : EXACT;
  if (Object.keys(value).length > 0 && !ArrayBuffer.isView(value)) return REFUSED;
  if (prototype === Map.prototype) return fitOfMap(value as Map<unknown, unknown>, depth); // by its prototype
  if (prototype === Set.prototype) return fitOfSet(value as Set<unknown>, depth); // by its prototype
  if (prototype === Date.prototype) {
    return Math.abs((value as Date).getTime()) > MAX_CBOR_DATE_MS ? EXACT : CBOR; // by its prototype
  }
  if (prototype === Uint8Array.prototype) return CBOR;
  return TYPED_ARRAYS.some((type) => prototype === type.prototype) ? EXACT : REFUSED;
}

function fitOfProperties(object: object, depth: number): Fit {
  const fields = object as Record<string, unknown>; // for..in visits string keys only
  let worst: Fit = CBOR;
  let count = 0;
  for (const key in fields) {
    // cbor-x renames the first and looks at the values of the others to tell what the object is.
    if (key === "__proto__" || key === "constructor" || key === "hasOwnProperty" || !key.isWellFormed()) worst = EXACT;
    const fit = fitOf(fields[key], depth + 1);
    if (fit === REFUSED) return REFUSED;
    if (fit === EXACT) worst = EXACT;
    count++;
  }
  if (Object.getOwnPropertySymbols(object).length > 0) return REFUSED;
  return count > MAX_CBOR_PROPERTIES ? EXACT : worst;
}

function fitOfArray(array: readonly unknown[], depth: number): Fit {
  let worst: Fit = CBOR;
  for (let i = 0; i < array.length; i++) {
    const element = array[i];
    if (element === undefined && !(i in array)) return REFUSED;
    const fit = fitOf(element, depth + 1);
    if (fit === REFUSED) return REFUSED;
    if (fit === EXACT) worst = EXACT;
  }
  return hasExtraProperties(array) ? REFUSED : worst;
}

/** Whether the array, which has no holes, carries named properties, as a match of a RegExp does. */
function hasExtraProperties(array: readonly unknown[]): boolean {
  return Object.keys(array).length !== array.length;
}

function fitOfMap(map: ReadonlyMap<unknown, unknown>, depth: number): Fit {
  let worst: Fit = CBOR;
  for (const [key, value] of map) {
    const keyFit = fitOf(key, depth + 1);
    const fit = fitOf(value, depth + 1);
    if (keyFit === REFUSED || fit === REFUSED) return REFUSED;
    if (keyFit === EXACT || fit === EXACT) worst = EXACT;
  }
  return worst;
}

function fitOfSet(set: ReadonlySet<unknown>, depth: number): Fit {
  let worst: Fit = CBOR;
  for (const value of set) {
    const fit = fitOf(value, depth + 1);
    if (fit === REFUSED) return REFUSED;
    if (fit === EXACT) worst = EXACT;
  }
  return worst;
}

/** Where in a refused value the trouble is, what it is and what to do; the value has been found to be refused. */
interface Trouble {
  readonly path: string;
  readonly what: string;
  readonly remedy: string;
}

function refusal(value: unknown, where: string): StreamError {
  const trouble = findTrouble(value, "", 0);
  if (trouble === undefined) {
    throw new Error(`Cannot explain why a value in ${where} is refused: it looks like plain data`);
  }
  const subject = trouble.path === ""
    ? "it"
    : trouble.path.length > 200
    ? `${trouble.path.slice(0, 200)}…`
    : trouble.path;
  return refusedValue(where, `${subject} is ${trouble.what}`, "plain data", trouble.remedy);
}

function findTrouble(value: unknown, path: string, depth: number): Trouble | undefined {
  if (fitOf(value, depth) !== REFUSED) return undefined;
  if (typeof value !== "object" || value === null) {
    return { path, what: `a ${typeof value}`, remedy: "keep it in a field of the operator instead" };
  }
  if (depth >= MAX_VALUE_DEPTH) {
    return { path, what: `nested over ${MAX_VALUE_DEPTH} deep or part of a cycle`, remedy: "store a reference by id" };
  }
  for (const [step, part] of partsOf(value)) {
    const trouble = findTrouble(part, path + step, depth + 1);
    if (trouble !== undefined) return trouble;
  }
  return { path, ...describe(value) };
}

function* partsOf(value: object): Generator<[step: string, part: unknown]> {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) yield [`[${i}]`, value[i]];
  } else if (value instanceof Map) {
    for (const [key, entry] of value) {
      yield [`.keys()`, key];
      yield [`.get(${typeof key === "object" ? "…" : JSON.stringify(String(key))})`, entry];
    }
  } else if (value instanceof Set) {
    let index = 0;
    for (const entry of value) yield [`.values()[${index++}]`, entry];
  } else if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null) {
    for (const [key, entry] of Object.entries(value)) {
      yield [/^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`, entry];
    }
  }
}

function describe(value: object): { what: string; remedy: string } {
  if (Array.isArray(value) && Object.getPrototypeOf(value) === Array.prototype) {
    return hasExtraProperties(value) && Object.keys(value).some((key) => !/^\d+$/.test(key))
      ? { what: "an array with named properties", remedy: "copy it with [...array] or into an object" }
      : { what: "an array with holes", remedy: "fill the holes, e.g. with null" };
  }
  if (Object.getOwnPropertySymbols(value).length > 0) {
    return { what: "an object with symbol properties", remedy: "use string properties" };
  }
  const name = (value.constructor as { name?: unknown } | undefined)?.name; // data may be called constructor too
  const what = `an instance of ${typeof name === "string" && name !== "" ? name : "a class"}`;
  if (value instanceof Uint8Array) return { what, remedy: "copy it with new Uint8Array(bytes)" };
  if (value instanceof ArrayBuffer || value instanceof DataView) {
    return { what, remedy: "use a Uint8Array over its bytes" };
  }
  if (value instanceof Error) return { what, remedy: "store { name, message } instead" };
  if (value instanceof RegExp) return { what, remedy: "store its source and flags instead" };
  return { what, remedy: "store its fields in a plain object, or name a serializer for it in the descriptor" };
}
