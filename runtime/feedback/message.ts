/**
 * A message that one actor has told another, and how those in flight travel in checkpoints.
 *
 * Called by: runtime/feedback/.
 * Calls: runtime/operator_lists.ts.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { keyGroupOf, type KeyGroupRange } from "../../core/key_groups.ts";
import type { OperatorList } from "../../core/snapshot.ts";
import { listOf, valuesOf } from "../operator_lists.ts";

/** Name of the list of messages in flight in a checkpoint. */
export const TOLD = "told";

/** One message on its way. */
export interface Message {
  /** Of the actor that is told. */
  readonly key: Key;
  readonly value: unknown;
  /** Event time of what its sender had in hand. */
  readonly timestampMs: number;
  /** Wall clock before which it is not to be delivered, milliseconds since the epoch; null: at once. */
  readonly dueMs: number | null;
}

/** Items of a checkpoint: bytes at once, since who is told may change a value. Each subtask is given all, and takes its own. */
export function itemsOf(messages: readonly Message[]): readonly Uint8Array[] {
  return listOf("union", messages.map(({ key, value, timestampMs, dueMs }) => [key, value, timestampMs, dueMs])).items;
}

/** The list with these items. */
export function toldList(items: readonly Uint8Array[]): OperatorList {
  return { ...listOf("union", []), items };
}

/** The messages of a restored list whose keys fall into the range, in their order. */
export function messagesOf(
  list: OperatorList | undefined,
  { start, end }: KeyGroupRange,
  maxParallelism: number,
): readonly Message[] {
  // Only `itemsOf` writes this list.
  const all = valuesOf(list) as [Key, unknown, number, number | null][];
  return all.map(([key, value, timestampMs, dueMs]) => ({ key, value, timestampMs, dueMs })).filter(({ key }) => {
    const group = keyGroupOf(key, maxParallelism);
    return group >= start && group <= end;
  });
}
