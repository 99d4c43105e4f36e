/**
 * Finds what JSON.stringify would write as something else, or not at all.
 *
 * Called by: connectors/line_encoder.ts.
 * Calls: nothing.
 *
 * @module
 */

/** A part of a value that JSON cannot say. */
export interface Unsaid {
  /** Where it is, such as `flight.delays[2]`; empty for the value itself. */
  readonly path: string;
  /** What it is, to follow "it is". */
  readonly what: string;
  /** What to do, an imperative. */
  readonly remedy: string;
}

/** Depth up to which values are looked at: what refers to itself has no end. */
const MAX_DEPTH = 1000;

/** The first part of `value` that JSON cannot say; null when there is none. */
export function findUnsaid(value: unknown): Unsaid | null {
  return find(value, "", 0);
}

function find(value: unknown, path: string, depth: number): Unsaid | null {
  switch (typeof value) {
    case "number":
      if (Number.isFinite(value)) return null;
      return { path, what: `${value}, which JSON does not have`, remedy: "map it to null, a number or a string first" };
    case "bigint":
      return { path, what: "a bigint, which JSON does not have", remedy: "map it with String() or Number() first" };
    case "object":
      return value === null || depth > MAX_DEPTH ? null : findInObject(value, path, depth);
    default:
      return null;
  }
}

function findInObject(value: object, path: string, depth: number): Unsaid | null {
  if ("toJSON" in value && typeof value.toJSON === "function") return null;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const found = find(value[index], `${path}[${index}]`, depth + 1);
      if (found !== null) return found;
    }
    return null;
  }
  if (value instanceof Map) return { path, what: "a Map", remedy: "map it with Object.fromEntries() first" };
  if (value instanceof Set || ArrayBuffer.isView(value)) {
    const what = value instanceof Set ? "a Set" : "a binary array";
    return { path, what, remedy: "map it with Array.from() first" };
  }
  for (const [name, part] of Object.entries(value)) {
    // The path is made for those that may be lost alone: most values are strings and numbers.
    if (typeof part === "string" || typeof part === "boolean" || Number.isFinite(part)) continue;
    const found = find(part, path === "" ? name : `${path}.${name}`, depth + 1);
    if (found !== null) return found;
  }
  return null;
}
