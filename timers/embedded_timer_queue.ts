/**
 * Keeps timers as rows of a backend's ordered store; only the earliest of each key group are in memory.
 *
 * Every change goes to the store at once, which also takes it into snapshots and restores it. A timer behind those in
 * memory is written blindly: nothing is read for it. Only who asks for the size pays for it, once by a walk over all
 * timers and from then on by looking for each timer before it is written.
 *
 * Called by: timers/timer_service.ts (registers, polls), runtime (creates it).
 * Calls: timers/timer_cache.ts (the earliest of a key group), timers/timer_heap.ts (the order of key groups),
 * timers/timer_row.ts, core/ordered_rows.ts.
 *
 * Invariants:
 * - a cache is empty only when its key group has no timers;
 * - the heap holds each key group that has timers, by the timestamp of its first one.
 *
 * Source: Flink's `KeyGroupPartitionedPriorityQueue` over `RocksDBCachingPriorityQueueSet`.
 *
 * @module
 */
import { ByteWriter } from "../core/bytes.ts";
import { StreamError } from "../core/errors.ts";
import type { Key, Namespace } from "../core/key.ts";
import { checkMaxParallelism, keyGroupOf, type KeyGroupRange } from "../core/key_groups.ts";
import type { OrderedRows } from "../core/ordered_rows.ts";
import type { Timer, TimerQueue } from "../core/timer.ts";
import { TimerCache } from "./timer_cache.ts";
import { TimerHeap } from "./timer_heap.ts";
import { readTimer, writeTimerRow } from "./timer_row.ts";

/** What a queue is made for. */
export interface EmbeddedTimerQueueOptions {
  /** Names the queue in errors. */
  readonly name: string;
  /** Where the timers live; those that are there belong to the queue. */
  readonly rows: OrderedRows;
  /** Number of key groups of the operator, 1..32768. */
  readonly maxParallelism: number;
  /** Key groups of this subtask. */
  readonly keyGroups: KeyGroupRange;
  /** Most timers of a key group that are kept in memory, ≥ 1. */
  readonly cacheSize: number;
}

/** Most timers in memory of all key groups together, and their bytes: many key groups keep fewer each. */
const MOST_CACHED_TIMERS = 65_536;
const MOST_CACHED_BYTES = 4 * 1024 * 1024;
const LEAST_CACHE_BYTES = 256;
/** Rows that a walk over all timers reads at a time. */
const WALKED_ROWS = 256;
const UNKNOWN = -1;

/** A set of timers in a store on disk, ordered by timestamp. */
export class EmbeddedTimerQueue implements TimerQueue {
  /** Timestamp of the head, +Infinity when empty. */
  headTimestampMs: number = Number.POSITIVE_INFINITY;

  private readonly rows: OrderedRows;
  private readonly maxParallelism: number;
  private readonly start: number;
  /** One for each key group, in order. */
  private readonly caches: TimerCache[] = [];
  /** Key groups that have timers, as indexes of `caches`. */
  private readonly heap = new TimerHeap();
  /** The row of the timer in hand. */
  private readonly row = new ByteWriter();
  /** Number of timers; UNKNOWN since the last change that was made without a look whether the timer is there. */
  private count = 0;
  /** Whether somebody has asked for the size, so that it is kept. */
  private isCounting = false;
  private filled: TimerCache | null = null;
  private readonly fill = (bytes: Uint8Array, start: number, end: number): boolean =>
    this.filled!.append(bytes, start, end);

  /**
   * Reads the earliest timers of each key group.
   *
   * @throws {RangeError} If `cacheSize` is below 1 or `maxParallelism` out of range.
   * @throws {StreamError} If the store cannot be read.
   */
  constructor(private readonly options: EmbeddedTimerQueueOptions) {
    const { maxParallelism, keyGroups, cacheSize } = options;
    checkMaxParallelism(maxParallelism);
    if (!(cacheSize >= 1)) {
      throw new RangeError(
        `Cannot create timer queue "${options.name}": cacheSize is ${cacheSize}, must be at least 1`,
      );
    }
    this.rows = options.rows;
    this.maxParallelism = maxParallelism;
    this.start = keyGroups.start;
    const groups = keyGroups.end - keyGroups.start + 1;
    const limit = Math.max(1, Math.min(Math.floor(cacheSize), Math.floor(MOST_CACHED_TIMERS / groups)));
    const byteLimit = Math.max(LEAST_CACHE_BYTES, Math.floor(MOST_CACHED_BYTES / groups));
    for (let index = 0; index < groups; index++) {
      const cache = new TimerCache(limit, byteLimit);
      this.caches.push(cache);
      this.refill(cache, index);
      if (cache.count > 0) this.heap.push(cache.headMs, index);
      if (!cache.isComplete) this.count = UNKNOWN;
      else if (this.count !== UNKNOWN) this.count += cache.count;
    }
    this.headTimestampMs = this.heap.times[0]!;
  }

  /** Number of timers; walks over all of them when asked for the first time. */
  get size(): number {
    this.isCounting = true;
    if (this.count === UNKNOWN) this.count = this.countAll();
    return this.count;
  }

  /** Adds unless it is there; true iff it is the new head. @param timestampMs Not NaN; infinities are legal. */
  add(timestampMs: number, key: Key, namespace: Namespace): boolean {
    const index = this.encode(timestampMs, key, namespace);
    const { row, rows } = this;
    const keyGroup = this.start + index;
    const cache = this.caches[index]!;
    if (!cache.covers(timestampMs, row.buffer, row.length)) {
      this.changeUnseen(keyGroup, true);
      return false;
    }
    const at = ~cache.find(timestampMs, row.buffer, row.length);
    if (at < 0) return false;
    rows.add(keyGroup, row.buffer, row.length);
    cache.insert(at, timestampMs + 0, row.buffer, row.length);
    if (this.count !== UNKNOWN) this.count++;
    return at === 0 && this.moveGroup(index, cache);
  }

  /** Removes if it is there; true iff it was the head. */
  remove(timestampMs: number, key: Key, namespace: Namespace): boolean {
    const index = this.encode(timestampMs, key, namespace);
    const { row, rows } = this;
    const keyGroup = this.start + index;
    const cache = this.caches[index]!;
    if (!cache.covers(timestampMs, row.buffer, row.length)) {
      this.changeUnseen(keyGroup, false);
      return false;
    }
    const at = cache.find(timestampMs, row.buffer, row.length);
    if (at < 0) return false;
    const wasHead = at === 0 && this.heap.first() === index;
    rows.remove(keyGroup, row.buffer, row.length);
    this.takeOut(index, cache, at);
    return wasHead;
  }

  /** The earliest, or null. Ties come in any order. */
  peek(): Timer | null {
    return this.heap.size === 0 ? null : this.caches[this.heap.first()]!.timerAt(0);
  }

  /** Removes and returns the earliest, or null. */
  poll(): Timer | null {
    if (this.heap.size === 0) return null;
    const index = this.heap.first();
    const cache = this.caches[index]!;
    const timer = cache.timerAt(0);
    const { row } = this;
    row.reset();
    cache.copyRow(0, row);
    this.rows.remove(this.start + index, row.buffer, row.length);
    this.takeOut(index, cache, 0);
    return timer;
  }

  /** Each timer once, in any order; timers may come and go meanwhile. */
  *[Symbol.iterator](): Iterator<Timer> {
    for (let index = 0; index < this.caches.length; index++) yield* this.ofKeyGroup(this.start + index);
  }

  /** The timers whose keys fall into a key group, ascending; timers may come and go meanwhile. */
  *ofKeyGroup(keyGroup: number): Iterable<Timer> {
    if (this.caches[keyGroup - this.start] === undefined) return;
    const last = new ByteWriter();
    let isFirst = true;
    for (;;) {
      const timers: Timer[] = [];
      this.rows.scan(keyGroup, isFirst ? null : last.view(), WALKED_ROWS, (bytes, start, end) => {
        timers.push(readTimer(bytes, start, end));
        last.reset();
        last.bytes(bytes, start, end);
        return true;
      });
      yield* timers;
      if (timers.length < WALKED_ROWS) return;
      // A row followed by a zero byte is the first that can come after it.
      last.u8(0);
      isFirst = false;
    }
  }

  /** Writes the row of a timer to `row`; returns the index of its key group. */
  private encode(timestampMs: number, key: Key, namespace: Namespace): number {
    const index = keyGroupOf(key, this.maxParallelism) - this.start;
    if (!(index >= 0 && index < this.caches.length)) throw this.wanderingKey();
    this.row.reset();
    writeTimerRow(this.row, timestampMs, key, namespace);
    return index;
  }

  /** Adds or removes a row behind the frontier, which is in the store or not. */
  private changeUnseen(keyGroup: number, isAdded: boolean): void {
    const { row, rows } = this;
    if (!this.isCounting) {
      this.count = UNKNOWN;
    } else {
      if (rows.has(keyGroup, row.buffer, row.length) === isAdded) return;
      if (this.count !== UNKNOWN) this.count += isAdded ? 1 : -1;
    }
    if (isAdded) rows.add(keyGroup, row.buffer, row.length);
    else rows.remove(keyGroup, row.buffer, row.length);
  }

  /** A row that is out of the store leaves its cache. */
  private takeOut(index: number, cache: TimerCache, at: number): void {
    cache.removeAt(at);
    if (this.count !== UNKNOWN) this.count--;
    if (cache.count === 0 && !cache.isComplete) {
      this.row.reset();
      cache.copyFrontier(this.row);
      this.refill(cache, index, this.row.view());
    }
    if (at === 0) this.moveGroup(index, cache);
  }

  /** The first timer of a key group is another one; true when the head is another one, too. */
  private moveGroup(index: number, cache: TimerCache): boolean {
    const { heap } = this;
    if (heap.has(index)) heap.remove(index);
    if (cache.count > 0) heap.push(cache.headMs, index);
    this.headTimestampMs = heap.times[0]!;
    return heap.size > 0 && heap.first() === index;
  }

  private refill(cache: TimerCache, index: number, from: Uint8Array | null = null): void {
    cache.beginFill();
    this.filled = cache;
    this.rows.scan(this.start + index, from, cache.limit + 1, this.fill);
  }

  private countAll(): number {
    let count = 0;
    for (let index = 0; index < this.caches.length; index++) {
      const cache = this.caches[index]!;
      if (cache.isComplete) count += cache.count;
      else for (const _ of this.ofKeyGroup(this.start + index)) count++;
    }
    return count;
  }

  private wanderingKey(): StreamError {
    return new StreamError(
      "invalid",
      `Cannot keep a timer in "${this.options.name}": its key belongs to a key group of another subtask; the function ` +
        `given to keyBy() must return the same key for the same value`,
    );
  }
}
