/**
 * The rows of a write buffer as they were at a moment, while the buffer itself goes on: records after a savepoint find
 * what they have written where it was, and nothing is flushed for it.
 *
 * Called by: buffered_rows.ts (makes it), embedded_snapshot.ts, rows_above.ts.
 * Calls: buffer_pages.ts, sorted_buffer.ts, ../states/run_output.ts, ../states/slices.ts.
 *
 * Invariants:
 * - its memory is the slot's, until `release`.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { KeyedStateHandle, SnapshotStore } from "../../core/snapshot.ts";
import { PUT, type RowCode, type RunState } from "../runs/run_format.ts";
import { RunOutput } from "../states/run_output.ts";
import { SAVEPOINT_SHARE, Slices } from "../states/slices.ts";
import type { BufferPages } from "./buffer_pages.ts";
import { type KnownOrder, moveRows } from "./known_order.ts";
import type { RowSorter } from "./row_sorter.ts";
import { SortedBuffer, type StillRows } from "./sorted_buffer.ts";
import type { WriteBuffer } from "./write_buffer.ts";

/** A larger buffer is not copied: that happens between two records, and takes about a millisecond for so much. */
const MAX_COPIED_BYTES = 8_388_608;
/** An order is kept with so many rows for each that counts. */
const MAX_SURPLUS = 1.25;
/** Rows between two looks at the clock. */
const ROWS_PER_LOOK = 64;

/** What the run of a copy must know. */
export interface CopiedRunPlan {
  readonly keyGroups: KeyGroupRange;
  /** The state table. */
  readonly states: readonly RunState[];
  readonly nextListNumber: number;
}

/** See the module. */
export class BufferCopy implements StillRows {
  /** What the current row does; its key is `key[0..keyBytes-1]`, its value `value[valueStart..valueEnd-1]`. */
  code: RowCode = PUT;
  key: Uint8Array = new Uint8Array(256);
  keyBytes = 0;
  readonly value: Uint8Array;
  valueStart = 0;
  valueEnd = 0;
  readonly rowCount: number;
  readonly sizeBytes: number;
  private readonly sorted: SortedBuffer;
  private readonly slices: Slices;
  private output: RunOutput | undefined;
  private bound: Uint8Array = new Uint8Array(0);
  private isReleased = false;

  readonly known: KnownOrder | undefined;
  private readonly revivals: number;

  private constructor(
    private readonly buffer: WriteBuffer,
    readonly pages: BufferPages,
    sorter: RowSorter,
    clock: Clock,
  ) {
    const { known } = buffer;
    if (known !== undefined) {
      this.known = {
        rows: moveRows(known.rows, buffer.pages, pages),
        ends: known.ends.map((end, i) => end - buffer.pages.segmentStart(i) + pages.segmentStart(i)),
        revivals: known.revivals,
      };
    }
    this.rowCount = buffer.rowCount;
    this.revivals = buffer.revivals;
    this.sizeBytes = buffer.sizeBytes;
    this.value = pages.bytes;
    this.sorted = new SortedBuffer(this, sorter);
    this.slices = new Slices(clock, SAVEPOINT_SHARE);
  }

  /** Copies a buffer; undefined when that would take too much time or memory. */
  static of(buffer: WriteBuffer, sorter: RowSorter, clock: Clock): BufferCopy | undefined {
    if (buffer.pages.usedBytes > MAX_COPIED_BYTES) return undefined;
    const pages = buffer.pages.copy();
    return pages === undefined ? undefined : new BufferCopy(buffer, pages, sorter, clock);
  }

  /** Puts the rows in order, in slices. To be done once, before all that follows. */
  async sort(): Promise<void> {
    this.slices.restart();
    while (!this.sorted.sort()) if (this.slices.isDue()) await this.slices.pause();
    this.tellOrder();
  }

  /** The buffer may be copied again, or flushed. */
  private tellOrder(): void {
    const { buffer, pages, sorted: { order } } = this;
    // Sorting all is cheaper than to go on with many that count no more.
    const isKept = !buffer.isReleased && order.length <= this.rowCount * MAX_SURPLUS;
    const ends: number[] = [];
    for (let i = 0; isKept && i < pages.segmentCount; i++) {
      ends.push(pages.segmentEnd(i) - pages.segmentStart(i) + buffer.pages.segmentStart(i));
    }
    buffer.know(isKept ? { rows: moveRows(order, pages, buffer.pages), ends, revivals: this.revivals } : undefined);
  }

  /** Writes the rows as one run, in slices. */
  async write(store: SnapshotStore, { keyGroups, states, nextListNumber }: CopiedRunPlan): Promise<KeyedStateHandle> {
    const { sorted, slices } = this;
    const output = this.output = new RunOutput({ olderRuns: [], fileScope: "exclusive", keyGroups });
    try {
      const writer = await output.open(store);
      slices.restart();
      for (let row = 1; sorted.next(); row++) {
        const { bytes, keyStart, keyEnd, valueEnd } = sorted;
        writer.add((bytes[keyStart]! << 8) | bytes[keyStart + 1]!, sorted.code, bytes, keyStart + 2, keyEnd, valueEnd);
        if (row % ROWS_PER_LOOK !== 0) continue;
        if (writer.wantsFlush) {
          await output.flush();
          slices.restart();
        } else if (slices.isDue()) {
          await slices.pause();
        }
      }
      const handle = await output.finish(states, nextListNumber);
      return handle!; // a copy has rows
    } catch (error) {
      await output.discard(error);
      throw error;
    }
  }

  /** Moves to the next row; false when there is none. Only when sorted. */
  next(): boolean {
    const { sorted } = this;
    if (!sorted.next()) return false;
    const { bytes, keyStart, keyEnd, valueEnd } = sorted;
    const size = keyEnd - keyStart;
    if (size > this.key.length) this.key = new Uint8Array(size * 2);
    const key = this.key;
    for (let i = 0; i < size; i++) key[i] = bytes[keyStart + i]!;
    for (let i = 0; i < this.bound.length; i++) if (key[i] !== this.bound[i]) return false;
    this.code = sorted.code;
    this.keyBytes = size;
    this.valueStart = keyEnd;
    this.valueEnd = valueEnd;
    return true;
  }

  /** Makes the first row at or above `target` the next one; those that do not start with `boundBytes` of it are not given. */
  seek(target: Uint8Array, boundBytes: number): void {
    this.sorted.seek(target, target.length);
    this.bound = target.slice(0, boundBytes);
  }

  /** Ends every wait with `reason`. */
  cancel(reason: Error): void {
    this.slices.stop(reason);
    this.output?.cancel(reason);
  }

  /** Frees the memory; twice is once. */
  release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    this.sorted.release();
    this.pages.free();
  }
}
