/**
 * Keeps timers on the heap, ordered by timestamp; a freeze of any number of them takes no time.
 *
 * Called by: timers/timer_service.ts (registers, polls), backends (freeze and load rows), runtime (creates it).
 * Calls: timers/timer_table.ts (identity), timers/timer_heap.ts (order), timers/timer_history.ts (freezes),
 * timers/frozen_timers.ts, timers/timer_row.ts, core/key_groups.ts, core/errors.ts.
 *
 * Key groups are computed for a snapshot only, never for a record.
 *
 * Invariants:
 * - `headTimestampMs` is the smallest timestamp of the heap;
 * - an id that is in the heap is in the table; one that is only in the table is dead, but in a freeze.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";
import type { Key, Namespace } from "../core/key.ts";
import { checkMaxParallelism, keyGroupOf, type KeyGroupRange } from "../core/key_groups.ts";
import type { FrozenRows, RowSource } from "../core/snapshot.ts";
import type { Timer, TimerQueue } from "../core/timer.ts";
import { FrozenTimers } from "./frozen_timers.ts";
import { TimerHeap } from "./timer_heap.ts";
import { TimerHistory } from "./timer_history.ts";
import { readTimerRow } from "./timer_row.ts";
import { TimerTable } from "./timer_table.ts";

/** What a queue is made for. */
export interface HeapTimerQueueOptions {
  /** Name in the state table of the snapshot, unique within the operator. */
  readonly name: string;
  /** Number of key groups, 1..32768. */
  readonly maxParallelism: number;
  /** The key groups whose rows may be loaded; all when absent. */
  readonly keyGroups?: KeyGroupRange;
  /** Whether freezes other than full ones will be asked for, as an incremental backend does. */
  readonly tracking: boolean;
}

/** An empty queue keeps the memory of at most this many timers. */
const KEPT_CAPACITY = 65_536;

/** A set of timers on the heap, ordered by timestamp. */
export class HeapTimerQueue implements TimerQueue, RowSource {
  /** Timestamp of the head, +Infinity when empty. */
  headTimestampMs: number = Number.POSITIVE_INFINITY;
  /** Name in the state table of the snapshot. */
  readonly name: string;

  private readonly maxParallelism: number;
  private readonly keyGroups: KeyGroupRange;
  private readonly history: TimerHistory;
  private table = new TimerTable();
  private heap = new TimerHeap();
  private readonly free = (id: number): void => this.table.remove(id);

  /** @throws {RangeError} If `maxParallelism` is out of range. */
  constructor(options: HeapTimerQueueOptions) {
    checkMaxParallelism(options.maxParallelism);
    this.name = options.name;
    this.maxParallelism = options.maxParallelism;
    this.keyGroups = options.keyGroups ?? { start: 0, end: options.maxParallelism - 1 };
    this.history = new TimerHistory(options.tracking);
  }

  /** Number of timers. */
  get size(): number {
    return this.heap.size;
  }

  /** Adds unless it is there; true iff it is the new head. @param timestampMs Not NaN; infinities are legal. */
  add(timestampMs: number, key: Key, namespace: Namespace): boolean {
    return this.insert(timestampMs + 0, key, namespace, false); // -0 + 0 is 0
  }

  private insert(timestampMs: number, key: Key, namespace: Namespace, loaded: boolean): boolean {
    const found = this.table.add(timestampMs, key, namespace);
    const id = found < 0 ? ~found : found;
    if (found >= 0) {
      if (this.heap.has(found)) return false;
      this.history.change(found, false);
    }
    const wasEmpty = this.heap.size === 0;
    this.heap.push(timestampMs, id);
    if (this.history.busy) {
      if (found < 0) this.history.born(id, loaded);
      this.history.sweep(this.heap.position, this.free);
    }
    if (timestampMs >= this.headTimestampMs && !wasEmpty) return false;
    this.headTimestampMs = timestampMs;
    return true;
  }

  /** Removes if it is there; true iff it was the head. */
  remove(timestampMs: number, key: Key, namespace: Namespace): boolean {
    const id = this.table.find(timestampMs, key, namespace);
    if (id < 0 || !this.heap.has(id)) return false;
    const wasHead = this.heap.first() === id;
    this.removeId(id);
    return wasHead;
  }

  /** The earliest, or null. Ties come in any order. */
  peek(): Timer | null {
    return this.heap.size === 0 ? null : this.timerOf(this.heap.first());
  }

  /** Removes and returns the earliest, or null. */
  poll(): Timer | null {
    if (this.heap.size === 0) return null;
    const id = this.heap.first();
    const timer = this.timerOf(id);
    this.removeId(id);
    return timer;
  }

  /** Each timer once, in any order; timers may come and go meanwhile. */
  *[Symbol.iterator](): Iterator<Timer> {
    for (let id = 0; id < this.table.end; id++) {
      if (this.heap.has(id)) yield this.timerOf(id);
    }
  }

  /** The timers whose keys fall into a key group, in any order; walks all timers. */
  *ofKeyGroup(keyGroup: number): Iterable<Timer> {
    for (const timer of this) {
      if (keyGroupOf(timer.key, this.maxParallelism) === keyGroup) yield timer;
    }
  }

  /**
   * O(1). Without `full`, what changed since the last confirmed checkpoint; before the first one, since the restore.
   *
   * @throws {StreamError} If changes are asked for and not tracked, or 29 freezes are neither confirmed nor aborted.
   */
  freeze(checkpointId: number, full: boolean): FrozenRows {
    const base = full ? null : this.history.base;
    if (!full && base === null) {
      throw new StreamError(
        "invalid",
        `Cannot freeze the changes of "${this.name}": it does not track them; ask for all rows, or create it with tracking`,
      );
    }
    const freeze = this.history.freeze(checkpointId);
    const { table, heap, history, maxParallelism } = this;
    return new FrozenTimers({ table, heap, history, maxParallelism }, freeze, base);
  }

  /**
   * Takes back a timer of a snapshot.
   *
   * @throws {RangeError} If the key group is not this queue's.
   * @throws {StreamError} Of kind "corrupt", if the bytes are not those of a timer.
   */
  load(keyGroup: number, key: Uint8Array, _value: Uint8Array): void {
    const { start, end } = this.keyGroups;
    if (!(keyGroup >= start && keyGroup <= end)) {
      throw new RangeError(
        `Cannot load a timer into "${this.name}": key group must be in ${start}..${end}, current value is ${keyGroup}`,
      );
    }
    const timer = readTimerRow(key);
    this.insert(timer.timestampMs, timer.key, timer.namespace, true);
  }

  /** The checkpoint is durable: later increments build on it. */
  confirm(checkpointId: number): void {
    this.history.confirm(checkpointId);
  }

  /** The checkpoint failed: what was in it belongs to the next increment again. */
  abort(checkpointId: number): void {
    this.history.abort(checkpointId);
  }

  private timerOf(id: number): Timer {
    return {
      timestampMs: this.table.timestamps[id]!,
      key: this.table.keyOf(id),
      namespace: this.table.namespaces[id]!,
    };
  }

  private removeId(id: number): void {
    this.heap.remove(id);
    this.headTimestampMs = this.heap.times[0]!;
    if (!this.history.busy) {
      this.table.remove(id);
    } else {
      this.history.change(id, true);
      if (!this.history.mustKeep(id)) this.table.remove(id);
      this.history.sweep(this.heap.position, this.free);
    }
    if (this.heap.size === 0 && this.table.end > KEPT_CAPACITY && !this.history.keepsIds) this.shrink();
  }

  /** Gives back the memory of a queue that is empty, no timer of which is in a freeze. */
  private shrink(): void {
    this.table = new TimerTable();
    this.heap = new TimerHeap();
  }
}
