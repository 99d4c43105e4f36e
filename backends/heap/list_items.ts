/**
 * The list of one key.
 *
 * Called by: list_handle.ts, restored_state.ts; capture.ts and row_encoder.ts read it.
 * Calls: nothing.
 *
 * @module
 */

/** The elements of one key's list, in order; elements are appended, and otherwise the whole list is replaced. */
export class ListItems {
  /** Row numbers, ascending. */
  readonly numbers: number[] = [];
  /** Elements. */
  readonly values: unknown[] = [];
  /** Whether an element may be changed from outside once it was handed out. */
  hasObjects = false;
  /** Epoch in which objects were last handed out; -1 never. */
  exposedEpoch = -1;
}
