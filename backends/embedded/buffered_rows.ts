/**
 * The rows of one embedded backend: what was written lately in write buffers, the rest in the store.
 *
 *     put, append, delete, clear  → the active buffer
 *     get                         → active buffer, frozen buffers (newest first), the one flushed last, store
 *     group, scan                 → active buffer, frozen buffers (newest first), store
 *     freeze                      → the active buffer waits for its flush, another takes its place
 *     freezeApart                 → the active buffer is copied and goes on, if it is small enough
 *
 * Called by: the backend and its handles, the ordered rows of timers.
 * Calls: write_buffer.ts, row_merge.ts, flush_queue.ts, slot_memory.ts; the store it was given.
 *
 * Invariants:
 * - a row's newest word is found first, since a buffer is searched before all that are older;
 * - a buffer that is kept says what the store says, of the rows that it has;
 * - when a write has no memory, buffers of the slot are flushed at once, the largest first, until it has.
 *
 * @module
 */
import type { OperatorMemory } from "../../core/backend_memory.ts";
import type { Clock } from "../../core/clock.ts";
import { StreamError } from "../../core/errors.ts";
import { rowHash } from "../runs/row_hash.ts";
import { BufferCopy } from "./buffer_copy.ts";
import { FlushQueue } from "./flush_queue.ts";
import { groupRows } from "./group_rows.ts";
import type { RowList } from "./ordered_states.ts";
import { DELETE_PREFIX } from "../runs/run_format.ts";
import { HEADER_WORDS, KEY, KIND_MASK, valueStartOf } from "./row_layout.ts";
import { NOTED_SHIFT, RowMerge } from "./row_merge.ts";
import { RowSorter } from "./row_sorter.ts";
import type { FoundValue, FrozenStore, RowCursor, RowStore } from "./row_store.ts";
import type { Rows } from "./rows.ts";
import type { BufferOwner, SlotMemory } from "./slot_memory.ts";
import { FOUND, UNKNOWN, WriteBuffer } from "./write_buffer.ts";

/** What {@link BufferedRows} stands on. */
export interface BufferedRowsOptions {
  /** Names the operator in errors. */
  readonly operatorName: string;
  /** As in `state.backend.type`; names the options to raise. */
  readonly backendName: string;
  /** Restored already, or empty; closed with the rows. */
  readonly store: RowStore;
  /** The slot's memory. */
  readonly memory: SlotMemory;
  /** Turns of the event loop for flushes. */
  readonly clock: Clock;
  /** A buffer of this size is flushed though the slot has memory left. Absent: none is. */
  readonly maxBufferBytes?: number;
}

/** Hash of a row from those of its prefix and of what follows, 30 bits, so that it is a small integer everywhere. */
function hashOf(prefixHash: number, row: Uint8Array, rowBytes: number, prefixBytes: number): number {
  return ((prefixHash ^ Math.imul(rowHash(row, prefixBytes, rowBytes), 0x9e3779b1)) >>> 2) & 0x3fffffff;
}

/** See the module. */
export class BufferedRows implements Rows, BufferOwner {
  readonly found: FoundValue = { bytes: new Uint8Array(0), start: 0, end: 0 };
  /** How often a write had to wait for a flush. */
  syncFlushCount = 0;
  /** Milliseconds that writers have waited for memory, or for the store to catch up. */
  stallMs = 0;
  private active: WriteBuffer;
  /** The buffer that was flushed last: what was written lately is looked up most, and costs less here than in the store. */
  private kept: WriteBuffer | undefined;
  private readonly queue: FlushQueue;
  private readonly sorter = new RowSorter();
  private readonly store: RowStore;
  private readonly memory: SlotMemory;
  /** Ids of the states that have been scanned: buffers keep their rows in order. */
  private readonly scanned = new Set<number>();
  private waiting:
    | { readonly promise: Promise<void>; readonly resolve: () => void; readonly sinceMs: number }
    | undefined;
  private readonly maxBufferBytes: number;
  private closing: Promise<void> | undefined;

  constructor(private readonly options: BufferedRowsOptions) {
    const { operatorName, store, memory, clock } = options;
    this.store = store;
    this.memory = memory;
    this.maxBufferBytes = options.maxBufferBytes ?? Number.POSITIVE_INFINITY;
    this.queue = new FlushQueue({
      operatorName,
      store,
      clock,
      sorter: this.sorter,
      onFlushed: (buffer) => this.keep(buffer),
      onProgress: () => memory.announceRoom(),
    });
    this.active = new WriteBuffer(memory, this.scanned);
    memory.register(this);
    this.queue.wake();
  }

  get(row: Uint8Array, rowBytes: number, prefixBytes: number): boolean {
    const fullHash = rowHash(row, 0, prefixBytes);
    const prefixHash = fullHash >>> 2;
    const hash = prefixBytes === rowBytes ? prefixHash : hashOf(fullHash, row, rowBytes, prefixBytes);
    let buffer = this.active;
    let answer = buffer.lookup(row, rowBytes, prefixBytes, prefixHash, hash);
    const frozen = this.queue.frozen;
    for (let i = frozen.length - 1; answer === UNKNOWN && i >= 0; i--) {
      buffer = frozen[i]!;
      answer = buffer.lookup(row, rowBytes, prefixBytes, prefixHash, hash);
    }
    if (answer === UNKNOWN && this.kept !== undefined) {
      buffer = this.kept;
      answer = buffer.lookup(row, rowBytes, prefixBytes, prefixHash, hash);
    }
    const found = this.found;
    if (answer === UNKNOWN) return this.store.get(row, rowBytes, prefixBytes, fullHash, found);
    if (answer !== FOUND) return false;
    found.bytes = buffer.pages.bytes;
    found.start = buffer.valueStart;
    found.end = buffer.valueEnd;
    return true;
  }

  put(row: Uint8Array, rowBytes: number, prefixBytes: number, value: Uint8Array, start: number, end: number): void {
    if (this.queue.failure !== undefined) throw this.queue.failure;
    const fullHash = rowHash(row, 0, prefixBytes);
    const prefixHash = fullHash >>> 2;
    const hash = prefixBytes === rowBytes ? prefixHash : hashOf(fullHash, row, rowBytes, prefixBytes);
    while (!this.active.put(row, rowBytes, prefixBytes, prefixHash, hash, value, start, end)) {
      this.makeRoom(rowBytes, end - start);
    }
    if (this.memory.hasGrown) this.grown();
  }

  append(row: Uint8Array, rowBytes: number, prefixBytes: number, value: Uint8Array, start: number, end: number): void {
    if (this.queue.failure !== undefined) throw this.queue.failure;
    const prefixHash = rowHash(row, 0, prefixBytes) >>> 2;
    while (!this.active.append(row, rowBytes, prefixBytes, prefixHash, value, start, end)) {
      this.makeRoom(rowBytes, end - start);
    }
    if (this.memory.hasGrown) this.grown();
  }

  delete(row: Uint8Array, rowBytes: number, prefixBytes: number): void {
    if (this.queue.failure !== undefined) throw this.queue.failure;
    const fullHash = rowHash(row, 0, prefixBytes);
    const prefixHash = fullHash >>> 2;
    const hash = prefixBytes === rowBytes ? prefixHash : hashOf(fullHash, row, rowBytes, prefixBytes);
    while (!this.active.delete(row, rowBytes, prefixBytes, prefixHash, hash)) this.makeRoom(rowBytes, 0);
    if (this.memory.hasGrown) this.grown();
  }

  clear(prefix: Uint8Array, prefixBytes: number): void {
    if (this.queue.failure !== undefined) throw this.queue.failure;
    const prefixHash = rowHash(prefix, 0, prefixBytes) >>> 2;
    while (!this.active.clear(prefix, prefixBytes, prefixHash)) this.makeRoom(prefixBytes, 0);
    if (this.memory.hasGrown) this.grown();
  }

  /** The buffers of the slot have taken memory: some may be large enough for their flush. */
  private grown(): void {
    if (this.active.pages.usedBytes >= this.maxBufferBytes) this.freezeActive();
    this.memory.balance();
  }

  /** Flushes a buffer of the slot at once. @throws {StreamError} If that cannot help. */
  private makeRoom(keyBytes: number, valueBytes: number): void {
    const { memory } = this;
    const size = keyBytes + valueBytes + HEADER_WORDS * 4;
    if (size > memory.maxRowBytes) {
      this.refuse(size, `write buffers have room for ${memory.maxRowBytes} bytes in this slot`);
    }
    if (memory.mayOvershoot) {
      memory.mayOvershoot = false;
      this.refuse(size, "rows that are being read fill the memory of this slot");
    }
    this.syncFlushCount++;
    const startMs = this.options.clock.monotonicMs();
    const isDone = memory.reclaim();
    this.stallMs += this.options.clock.monotonicMs() - startMs;
    if (isDone) return;
    if (this.queue.failure !== undefined) throw this.queue.failure;
    memory.mayOvershoot = true;
  }

  private refuse(size: number, reason: string): never {
    const prefix = `state.backend.${this.options.backendName}.memory.`;
    throw new StreamError(
      "invalid",
      `Cannot keep a row of ${size} bytes of "${this.options.operatorName}": ${reason}; raise ` +
        `${prefix}fixed-per-slot or ${prefix}write-buffer-ratio`,
    );
  }

  group(prefix: Uint8Array, prefixBytes: number): RowCursor {
    const fullHash = rowHash(prefix, 0, prefixBytes);
    const { bytes, words } = this.active.pages;
    let merge: RowMerge | undefined;
    const frozen = this.queue.frozen;
    for (let i = frozen.length; i >= 0; i--) {
      const buffer = i === frozen.length ? this.active : frozen[i]!;
      const group = buffer.findGroup(prefix, prefixBytes, fullHash >>> 2);
      if (group === 0) continue;
      const rows = groupRows(buffer, group, this.sorter);
      merge ??= new RowMerge(bytes, words, Number.POSITIVE_INFINITY);
      if (rows.length > 0) merge.add(buffer, rows, 0, rows.length, true);
      if ((words[group + KEY]! & KIND_MASK) === DELETE_PREFIX) return merge;
    }
    // Most lists and maps are not in memory: there is nothing to merge then.
    if (merge === undefined) return this.store.scan(prefix, prefixBytes, fullHash);
    this.addStore(merge, prefix, prefixBytes, fullHash);
    return merge;
  }

  scan(prefix: Uint8Array, limit: number, from?: Uint8Array): RowCursor {
    const keyGroup = (prefix[0]! << 8) | prefix[1]!;
    const stateId = (prefix[2]! << 8) | prefix[3]!;
    const frozen = this.queue.frozen;
    if (!this.scanned.has(stateId)) {
      this.scanned.add(stateId);
      for (const buffer of frozen) buffer.order(stateId);
      this.active.order(stateId);
    }
    const { bytes, words } = this.active.pages;
    const merge = new RowMerge(bytes, words, limit);
    for (let i = frozen.length; i >= 0; i--) {
      const buffer = i === frozen.length ? this.active : frozen[i]!;
      const list = buffer.ordered.rowsOf(stateId, keyGroup, this.sorter);
      if (list === undefined) continue;
      const start = from === undefined ? 0 : list.lowerBound(from, from.length);
      const noted = limit === Number.POSITIVE_INFINITY ? noteKinds(words, list, start) : undefined;
      if (noted === undefined) merge.add(buffer, list.rows, start, list.count, false);
      else merge.add(buffer, noted, 0, noted.length, true);
      if (from !== undefined && buffer.hasClears) {
        const cleared = clearBefore(bytes, words, list, start, from);
        if (cleared !== 0) merge.hideWith(cleared);
      }
    }
    this.addStore(merge, prefix, 4, null, from);
    return merge;
  }

  private addStore(merge: RowMerge, prefix: Uint8Array, size: number, hash: number | null, from?: Uint8Array): void {
    try {
      merge.addStore(
        from === undefined ? this.store.scan(prefix, size, hash) : this.store.scan(prefix, size, hash, from),
      );
    } catch (error) {
      merge.close();
      throw error;
    }
  }

  freeze(): number {
    this.freezeActive();
    return this.queue.addTicket();
  }

  freezeApart(): { readonly ticket: number; readonly copy: BufferCopy | undefined } {
    const { active, memory } = this;
    const copy = active.rowCount > 0 && memory.mayCopy(active.pages.usedBytes)
      ? BufferCopy.of(active, this.sorter, this.options.clock)
      : undefined;
    return { ticket: copy === undefined ? this.freeze() : this.queue.addUrgentTicket(), copy };
  }

  frozen(ticket: number): Promise<FrozenStore> {
    return this.queue.ask(ticket);
  }

  backpressure(): Promise<void> | undefined {
    if (!this.mustWait()) return undefined;
    if (this.waiting === undefined) {
      let resolve!: () => void;
      const promise = new Promise<void>((done) => resolve = done);
      this.waiting = { promise, resolve, sinceMs: this.options.clock.monotonicMs() };
      this.queue.wake();
    }
    return this.waiting.promise;
  }

  private mustWait(): boolean {
    if (this.closing !== undefined || this.queue.failure !== undefined) return false;
    return this.store.isBehind || (this.memory.isTight && this.memory.hasFrozen);
  }

  get failure(): Error | undefined {
    return this.queue.failure;
  }

  /** Whether nothing waits for a flush and the store has no work that is due. */
  get isIdle(): boolean {
    return this.queue.frozen.length === 0 && this.queue.isIdle;
  }

  /** The buffer that is written to. */
  get activeBuffer(): WriteBuffer {
    return this.active;
  }

  /** Buffers that wait for their flush, oldest first. */
  get frozenBuffers(): readonly WriteBuffer[] {
    return this.queue.frozen;
  }

  /** The buffer that was flushed last, if it is still there. */
  get keptBuffer(): WriteBuffer | undefined {
    return this.kept;
  }

  /** Whether writers must wait now, for memory or for the store to catch up. */
  get isWriteStopped(): boolean {
    return this.mustWait();
  }

  /** Buffers that were flushed. */
  get flushCount(): number {
    return this.queue.flushCount;
  }

  get activeBytes(): number {
    return this.active.pages.rowBytes === 0 ? 0 : this.active.pages.usedBytes;
  }

  get frozenBytes(): number {
    return this.queue.failure === undefined ? this.queue.frozenBytes : 0;
  }

  memoryUse(): OperatorMemory {
    return {
      operatorName: this.options.operatorName,
      activeBytes: this.active.pages.usedBytes,
      frozenBytes: this.queue.frozenBytes,
      keptBytes: this.kept?.pages.usedBytes ?? 0,
      indexAndFilterBytes: this.store.indexBytes?.() ?? 0,
    };
  }

  freezeActive(): void {
    const buffer = this.active;
    if (buffer.pages.rowBytes === 0) return;
    this.active = new WriteBuffer(this.memory, this.scanned, buffer.entries);
    if (buffer.rowCount > 0) this.queue.addBuffer(buffer);
    else buffer.release();
  }

  private keep(buffer: WriteBuffer): void {
    this.dropKept();
    if (this.memory.mayKeep(buffer.pages.usedBytes)) this.kept = buffer;
    else buffer.release();
  }

  dropKept(): boolean {
    const { kept } = this;
    this.kept = undefined;
    kept?.release();
    return kept !== undefined;
  }

  flushOldest(): boolean {
    return this.queue.flushOldest();
  }

  roomMade(): void {
    if (this.waiting === undefined) return;
    // A store that is behind and has no work will not catch up by waiting.
    if (this.mustWait() && !(this.queue.isIdle && this.store.isBehind)) return;
    const { resolve, sinceMs } = this.waiting;
    this.waiting = undefined;
    this.stallMs += this.options.clock.monotonicMs() - sinceMs;
    resolve();
  }

  close(): Promise<void> {
    return this.closing ??= this.end();
  }

  private async end(): Promise<void> {
    this.queue.close(
      new StreamError("unavailable", `Cannot go on with the state of "${this.options.operatorName}": it is closed`),
    );
    this.active.release();
    this.dropKept();
    this.memory.unregister(this);
    this.waiting?.resolve();
    this.waiting = undefined;
    this.memory.announceRoom();
    await this.store.close();
  }
}

/** The rows of a list from `start` on with their kinds: later changes do not show. */
function noteKinds(words: Int32Array, list: RowList, start: number): Int32Array {
  const noted = new Int32Array(list.count - start);
  let count = 0;
  for (let i = start; i < list.count; i++) {
    const row = list.rows[i]!;
    const kind = words[row + KEY]! & KIND_MASK;
    if (kind <= DELETE_PREFIX) noted[count++] = (row << NOTED_SHIFT) | kind;
  }
  return noted.subarray(0, count);
}

/** The group before `start` that was cleared and that `from` belongs to, 0 when there is none. */
function clearBefore(bytes: Uint8Array, words: Int32Array, list: RowList, start: number, from: Uint8Array): number {
  let shared = from.length;
  for (let i = start - 1; i >= 0 && shared > 4; i--) {
    const row = list.rows[i]!;
    const size = words[row + KEY]! >>> 3;
    const key = valueStartOf(words, row) - size;
    let same = 0;
    while (same < size && same < shared && bytes[key + same] === from[same]) same++;
    shared = same;
    if (same === size && (words[row + KEY]! & KIND_MASK) === DELETE_PREFIX) return row;
  }
  return 0;
}
