/**
 * Holds the few records that a keyed operator has been given and not processed
 * yet, so that the state of all of them can be fetched at once.
 *
 * Called by: keyed_operator.ts.
 * Calls: nothing.
 *
 * Why: the state of a random key is in no cache. One record after another, each waits for memory several times;
 * fetched together, the waits overlap. At 100,000 keys that is worth more than everything else on the record path.
 *
 * Invariants:
 * - records and the watermarks between them keep their order;
 * - whoever takes a snapshot, fires timers or ends a slice has emptied it before.
 *
 * @module
 */
import { MIN_WATERMARK } from "../../core/element.ts";

/** Records that are looked at together. */
export const LOOK_AHEAD = 32;

/** With fewer records there is nothing to overlap. */
export const WORTH_FETCHING = 4;

/** A short queue in columns; the operator reads and writes the fields. */
export class LookAhead<K, I> {
  count = 0;
  /** Made anew for each window: a young array takes young records without telling the garbage collector. */
  values: I[] = new Array(LOOK_AHEAD);
  keys: K[] = new Array(LOOK_AHEAD);
  readonly timestamps: Float64Array = new Float64Array(LOOK_AHEAD);
  /** The watermark that came right after a record; MIN_WATERMARK when none did. */
  readonly watermarks: Float64Array = new Float64Array(LOOK_AHEAD).fill(MIN_WATERMARK);

  /** Fresh arrays for the next window. */
  renew(): void {
    this.values = new Array(LOOK_AHEAD);
    this.keys = new Array(LOOK_AHEAD);
  }
}
