/**
 * Brings frozen write buffers into the store, oldest first, and does the store's own work: in slices of a few
 * milliseconds between records, or at once when memory demands it.
 *
 * Called by: buffered_rows.ts.
 * Calls: sorted_buffer.ts; the store and the clock it was given.
 *
 * Invariants:
 * - what was queued before a ticket is in the store when the ticket's freeze is taken, and nothing queued after it;
 * - a buffer leaves `frozen` in the moment in which the store shows its rows;
 * - after the first failure nothing is tried again.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf, StreamError } from "../../core/errors.ts";
import { giveWay } from "../states/slices.ts";
import type { RowSorter } from "./row_sorter.ts";
import type { FrozenStore, RowStore, Steps } from "./row_store.ts";
import { SortedBuffer } from "./sorted_buffer.ts";
import type { WriteBuffer } from "./write_buffer.ts";

/** Length of a slice, milliseconds: longer ones would show as gaps between records. */
const SLICE_MS = 3;
/** What records get before the next one, milliseconds. */
const REST_MS = 12;

/** A moment that somebody asks, or will ask, the store's content of. */
interface Ticket {
  readonly frozen: Promise<FrozenStore>;
  readonly resolve: (frozen: FrozenStore) => void;
  readonly reject: (error: Error) => void;
  /** Set when it is taken and nobody has asked yet. */
  taken: FrozenStore | undefined;
  isAsked: boolean;
}

/** What waits its turn. */
type Entry =
  | { readonly buffer: WriteBuffer }
  | { readonly ticket: Ticket };

/** An ingest under way. */
interface Flush {
  readonly steps: Steps;
  readonly rows: SortedBuffer;
  readonly buffer: WriteBuffer;
}

/** Settings of {@link FlushQueue}. */
export interface FlushQueueOptions {
  readonly operatorName: string;
  readonly store: RowStore;
  readonly clock: Clock;
  readonly sorter: RowSorter;
  /** Takes a buffer whose rows are in the store now. */
  readonly onFlushed: (buffer: WriteBuffer) => void;
  /** Called when something was brought nearer its end, has ended or failed. */
  readonly onProgress: () => void;
}

/** The queue of one backend. */
export class FlushQueue {
  /** Buffers whose rows are not in the store yet, oldest first. */
  readonly frozen: WriteBuffer[] = [];
  /** Why it has stopped. */
  failure: StreamError | undefined;
  /** Buffers that were flushed. */
  flushCount = 0;
  private readonly entries: Entry[] = [];
  private readonly tickets = new Map<number, Ticket>();
  private nextTicket = 1;
  private flush: Flush | undefined;
  private work: Steps | undefined;
  private isDeferred = false;
  private isRunning = false;
  private closed: Error | undefined;

  constructor(private readonly options: FlushQueueOptions) {}

  /** Queues a buffer that is not written to any more. */
  addBuffer(buffer: WriteBuffer): void {
    this.frozen.push(buffer);
    this.entries.push({ buffer });
    this.wake();
  }

  /** Queues a freeze of the store; its number. */
  addTicket(): number {
    let resolve!: Ticket["resolve"];
    let reject!: Ticket["reject"];
    const frozen = new Promise<FrozenStore>((fulfil, fail) => {
      resolve = fulfil;
      reject = fail;
    });
    frozen.catch(() => {}); // whoever asks gets it; nobody may
    const ticket: Ticket = { frozen, resolve, reject, taken: undefined, isAsked: false };
    this.tickets.set(this.nextTicket, ticket);
    if (this.failure !== undefined) reject(this.failure);
    else this.entries.push({ ticket });
    this.wake();
    return this.nextTicket++;
  }

  /** As `addTicket`; taken at once when nothing is queued before it. */
  addUrgentTicket(): number {
    const number = this.addTicket();
    const { entries: [first], flush } = this;
    if (first !== undefined && "ticket" in first && flush === undefined) {
      try {
        this.take(first.ticket);
        this.entries.shift();
      } catch (error) {
        this.fail(error);
      }
    }
    return number;
  }

  /** The store at a ticket's moment; the asker releases it. */
  ask(number: number): Promise<FrozenStore> {
    if (this.closed !== undefined) return Promise.reject(this.closed);
    const ticket = this.tickets.get(number);
    if (ticket === undefined) {
      throw new RangeError(`Cannot wait for freeze ${number}: it was asked for already, or never made`);
    }
    this.tickets.delete(number);
    ticket.isAsked = true;
    return ticket.frozen;
  }

  /** Bytes of the buffers that wait. */
  get frozenBytes(): number {
    let bytes = 0;
    for (const { pages } of this.frozen) bytes += pages.usedBytes;
    return bytes;
  }

  /** Arranges a slice. */
  wake(): void {
    if (this.isDeferred || this.closed !== undefined || this.failure !== undefined) return;
    this.isDeferred = true;
    this.options.clock.defer(() => this.slice());
  }

  /** Arranges the next slice. */
  private goOn(): void {
    if (this.isDeferred || this.closed !== undefined || this.failure !== undefined) return;
    this.isDeferred = true;
    giveWay(this.options.clock, REST_MS, () => this.slice());
  }

  private slice(): void {
    this.isDeferred = false;
    if (this.closed !== undefined || this.failure !== undefined) return;
    const { clock, onProgress } = this.options;
    const startMs = clock.monotonicMs();
    let hasMore = true;
    this.isRunning = true;
    try {
      do hasMore = this.step(); while (hasMore && clock.monotonicMs() - startMs < SLICE_MS);
    } catch (error) {
      this.fail(error);
    }
    this.isRunning = false;
    if (hasMore) this.goOn();
    onProgress();
  }

  /** Whether nothing is to do, as far as is known. */
  get isIdle(): boolean {
    return !this.isDeferred && !this.isRunning;
  }

  /** Flushes the oldest buffer to its end, with what is queued before it; false when there is none, or it failed. */
  flushOldest(): boolean {
    if (this.frozen.length === 0 || this.closed !== undefined || this.failure !== undefined) return false;
    const count = this.flushCount;
    try {
      while (this.flushCount === count) this.flushStep();
    } catch (error) {
      this.fail(error);
      return false;
    } finally {
      this.options.onProgress();
    }
    return true;
  }

  /** One step; false when nothing is left. Flushes come before the store's own work. */
  private step(): boolean {
    if (this.flush !== undefined || this.entries.length > 0) {
      this.flushStep();
      return true;
    }
    this.work ??= this.options.store.nextWork() ?? undefined;
    if (this.work === undefined) return false;
    if (this.work.step()) this.work = undefined;
    return true;
  }

  private flushStep(): void {
    this.flush ??= this.startFlush();
    const { flush } = this;
    if (flush === undefined || !flush.steps.step()) return;
    this.flush = undefined;
    flush.rows.release();
    this.frozen.shift();
    this.flushCount++;
    this.options.onFlushed(flush.buffer);
  }

  /** Takes tickets that are due, then starts what is next. */
  private startFlush(): Flush | undefined {
    const { store, sorter } = this.options;
    for (;;) {
      const entry = this.entries[0];
      if (entry === undefined) return undefined;
      // A ticket that cannot be taken is still in the queue then, and hears of the failure.
      if ("ticket" in entry) this.take(entry.ticket);
      this.entries.shift();
      if ("buffer" in entry) {
        const rows = new SortedBuffer(entry.buffer, sorter);
        return { steps: store.ingest(rows), rows, buffer: entry.buffer };
      }
    }
  }

  private take(ticket: Ticket): void {
    const frozen = this.options.store.freeze();
    if (!ticket.isAsked) ticket.taken = frozen;
    ticket.resolve(frozen);
  }

  private fail(error: unknown): void {
    const { operatorName } = this.options;
    this.failure = new StreamError(
      error instanceof StreamError ? error.kind : "unavailable",
      `Cannot keep the state of "${operatorName}" on disk: ${messageOf(error)}`,
      { cause: error },
    );
    this.end(this.failure);
  }

  /** Gives up what is under way and what waits; buffers stay, for reads. */
  private end(reason: Error): void {
    this.flush?.steps.cancel();
    this.flush?.rows.release();
    this.flush = undefined;
    this.work?.cancel();
    this.work = undefined;
    for (const entry of this.entries.splice(0)) {
      if ("ticket" in entry) entry.ticket.reject(reason);
    }
  }

  /** Ends everything; the store is closed by its owner afterwards. */
  close(reason: StreamError): void {
    if (this.closed !== undefined) return;
    this.closed = reason;
    // The pages of its buffers are another's from now on: whatever comes late must not write to them.
    this.failure ??= reason;
    this.end(reason);
    for (const { taken } of this.tickets.values()) taken?.release();
    this.tickets.clear();
    for (const buffer of this.frozen.splice(0)) buffer.release();
  }
}
