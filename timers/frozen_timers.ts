/**
 * Reads the timers of a queue as they were at a freeze, a row a call, while the queue goes on.
 *
 * Called by: timers/heap_timer_queue.ts, which hands it to a backend.
 * Calls: timers/timer_history.ts, timers/timer_row.ts, core/key_groups.ts.
 *
 * Work per call: skipping ids that have no row costs a comparison each, and nothing when a whole block of 1,024 did not
 * change; so all calls together cost one comparison an id more than the rows do.
 *
 * @module
 */
import { keyGroupOf } from "../core/key_groups.ts";
import type { FrozenRows, RowDraft } from "../core/snapshot.ts";
import { BLOCK_BITS, type Freeze, type TimerHistory } from "./timer_history.ts";
import type { TimerHeap } from "./timer_heap.ts";
import { writeTimerRow } from "./timer_row.ts";
import type { TimerTable } from "./timer_table.ts";

const BLOCK_SIZE = 1 << BLOCK_BITS;

/** Where the timers of a queue are. */
export interface TimerColumns {
  readonly table: TimerTable;
  readonly heap: TimerHeap;
  readonly history: TimerHistory;
  readonly maxParallelism: number;
}

/** The rows of one freeze. */
export class FrozenTimers implements FrozenRows {
  private nextId = 0;
  private readonly end: number;
  private released = false;

  /**
   * @param columns Of the queue.
   * @param freeze The moment; held by the caller, released here.
   * @param base What the rows are an increment to; null: all timers are put.
   */
  constructor(
    private readonly columns: TimerColumns,
    private readonly freeze: Freeze,
    private readonly base: Freeze | null,
  ) {
    this.end = columns.table.end;
    if (base !== null) columns.history.hold(base);
  }

  /** Writes the next row; false when there are none left or the freeze was released. */
  next(row: RowDraft): boolean {
    if (this.released) return false;
    const { history, heap } = this.columns;
    const base = this.base;
    while (this.nextId < this.end) {
      if (base !== null && (this.nextId & (BLOCK_SIZE - 1)) === 0) {
        if (!history.blockChangedSince(base, this.nextId >> BLOCK_BITS)) {
          this.nextId += BLOCK_SIZE;
          continue;
        }
      }
      const id = this.nextId++;
      const alive = heap.has(id);
      const then = history.holds(this.freeze, id, alive);
      const before = base !== null && history.holds(base, id, alive);
      if (then === before) continue;
      this.write(row, id, then);
      return true;
    }
    return false;
  }

  private write(row: RowDraft, id: number, put: boolean): void {
    const { table, maxParallelism } = this.columns;
    const key = table.keyOf(id);
    row.kind = put ? "put" : "delete";
    row.keyGroup = keyGroupOf(key, maxParallelism);
    row.key.reset();
    writeTimerRow(row.key, table.timestamps[id]!, key, table.namespaces[id]!);
    row.value.reset();
  }

  /** Ends the freeze; calling it again does nothing. */
  release(): void {
    if (this.released) return;
    this.released = true;
    this.columns.history.release(this.freeze);
    if (this.base !== null) this.columns.history.release(this.base);
  }
}
