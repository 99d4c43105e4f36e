/**
 * Tags that send records of an operator to another stream than its main one.
 *
 * Called by: users, runtime/stream.ts, runtime/operators/.
 * Calls: nothing.
 *
 * @module
 */
import type { MalformedInput } from "../core/source.ts";

/** Names a side output and carries its type. Two tags with the same id are the same output. */
export interface OutputTag<T> {
  /** Unique within an operator. */
  readonly id: string;
  /** For the type checker only; never set. */
  readonly element?: T;
}

/**
 * Makes a tag.
 *
 * @example
 * ```ts
 * import { outputTag } from "../mod.ts";
 * const late = outputTag<string>("late");
 * ```
 *
 * @param id Unique within the operator that emits to it, not empty.
 * @throws {TypeError} If the id is empty.
 */
export function outputTag<T>(id: string): OutputTag<T> {
  if (typeof id !== "string" || id === "") throw new TypeError("Cannot make an output tag: its id must not be empty");
  return Object.freeze({ id });
}

/** Where a source with `onMalformed: "side-output"` puts what it cannot read. */
export const malformedInputs: OutputTag<MalformedInput> = outputTag<MalformedInput>("weir.malformed");
