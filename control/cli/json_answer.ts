/**
 * Takes fields out of JSON that somebody else has written: what is missing or of another type is undefined. Pure.
 *
 * Called by: the commands of a job.
 * Calls: nothing.
 *
 * @module
 */

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The value as an object; one without fields when it is none. */
export function objectOf(value: unknown): JsonObject {
  // An object that is no array has nothing but named fields.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : {};
}

/** An object within an object. */
export function objectIn(value: unknown, name: string): JsonObject {
  return objectOf(objectOf(value)[name]);
}

/** A list of objects within an object. */
export function listIn(value: unknown, name: string): readonly JsonObject[] {
  const list = objectOf(value)[name];
  return Array.isArray(list) ? list.map(objectOf) : [];
}

/** A text within an object. */
export function textIn(value: unknown, name: string): string | undefined {
  const text = objectOf(value)[name];
  return typeof text === "string" ? text : undefined;
}

/** A number within an object. */
export function numberIn(value: unknown, name: string): number | undefined {
  const number = objectOf(value)[name];
  return typeof number === "number" ? number : undefined;
}
