/**
 * Says any value of state in JSON, and reads keys that are written so. What JSON has no form for is an object with one
 * property whose name begins with `$`. Pure.
 *
 *     undefined {"$undefined": true}      -0, NaN, Infinity {"$number": "NaN"}      bigint {"$bigint": "12"}
 *     bytes {"$bytes": "<base64>"}        Date {"$date": ms or null}                Map {"$map": [[k, v], …]}
 *     Set {"$set": [v, …]}                other typed arrays {"$array": ["Float64Array", n, …]}
 *     an object with a property of such a name {"$object": [[name, value], …]}
 *
 * Called by: control/cli/dump.ts.
 * Calls: core/key.ts.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { checkKey, type Key } from "../../core/key.ts";
import { messageOf } from "../../core/errors.ts";
import { UsageError } from "../usage_error.ts";

/** The value as JSON says it. */
export function toJson(value: unknown): unknown {
  switch (typeof value) {
    case "undefined":
      return { $undefined: true };
    case "bigint":
      return { $bigint: String(value) };
    case "number":
      if (Number.isFinite(value) && !Object.is(value, -0)) return value;
      return { $number: Object.is(value, -0) ? "-0" : String(value) };
    case "object":
      return value === null ? null : objectToJson(value);
    default:
      return value;
  }
}

function objectToJson(value: object): unknown {
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Uint8Array) return { $bytes: base64(value) };
  if (value instanceof Date) return { $date: Number.isNaN(value.getTime()) ? null : value.getTime() };
  if (value instanceof Map) return { $map: [...value].map(([key, item]) => [toJson(key), toJson(item)]) };
  if (value instanceof Set) return { $set: [...value].map(toJson) };
  if (ArrayBuffer.isView(value)) return typedToJson(value);
  const entries = Object.entries(value).map(([name, item]) => [name, toJson(item)] as const);
  if (entries.some(([name]) => name.startsWith("$"))) return { $object: entries };
  return Object.fromEntries(entries);
}

function typedToJson(value: ArrayBufferView): unknown {
  // All typed arrays can be walked; serializers refuse a DataView.
  const items = value as unknown as Iterable<number | bigint>;
  return { $array: [value.constructor.name, ...[...items].map((item) => toJson(item))] };
}

/** Bytes as text. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/**
 * The key that a text means: JSON in this notation, or, if it is no JSON, the text itself.
 *
 * @param flag Names the flag in errors.
 * @throws {UsageError} If it can be no key.
 */
export function parseKey(text: string, flag: string): Key {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return text;
  }
  const key = fromJson(json);
  try {
    checkKey(key);
  } catch (cause) {
    throw new UsageError(`Cannot use --${flag} ${text}: ${messageOf(cause)}`, { cause });
  }
  return key;
}

function fromJson(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json !== "object" || json === null) return json;
  const [entry, ...others] = Object.entries(json);
  if (entry === undefined || others.length > 0 || typeof entry[1] !== "string") return json;
  const [name, text] = entry;
  if (name === "$bytes") return new Uint8Array(Buffer.from(text, "base64"));
  return name === "$bigint" && /^-?\d+$/.test(text) ? BigInt(text) : json;
}
