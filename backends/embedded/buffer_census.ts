/**
 * Counts what each state has in a write buffer, by looking at every row.
 *
 * A frozen buffer is looked at once. The one that is written to is looked at again in each turn of the event loop, not
 * for each figure: somebody who asks for all of them of many states would else look at it a hundred times.
 *
 * Called by: buffer_metrics.ts.
 * Calls: write_buffer.ts, row_layout.ts.
 *
 * @module
 */
import { DELETE, DELETE_PREFIX } from "../runs/run_format.ts";
import { KEY, KIND_MASK, valueStartOf } from "./row_layout.ts";
import type { WriteBuffer } from "./write_buffer.ts";

/** What one state has in a buffer. */
export interface StateCount {
  /** Rows that a flush has to write. */
  readonly rowCount: number;
  /** Of these, rows that remove something. */
  readonly deleteCount: number;
  /** Memory of its rows with their headers, also of those that were replaced since. */
  readonly sizeBytes: number;
}

type Counted = { -readonly [K in keyof StateCount]: StateCount[K] };
type Counts = ReadonlyMap<number, StateCount>;

const NOTHING: Counts = new Map();

/** Counts of one backend's buffers. */
export class BufferCensus {
  private readonly frozen = new WeakMap<WriteBuffer, Counts>();
  private active: { readonly buffer: WriteBuffer; readonly counts: Counts } | undefined;

  /** Of a buffer that is written to: as it was at some moment of this turn. @param ids All of one state. */
  ofActive(buffer: WriteBuffer, ids: readonly number[]): StateCount {
    if (this.active?.buffer !== buffer) {
      this.active = { buffer, counts: countOf(buffer) };
      Promise.resolve().then(() => this.active = undefined);
    }
    return total(this.active.counts, ids);
  }

  /** Of a buffer that is not written to any more. */
  ofFrozen(buffer: WriteBuffer | undefined, ids: readonly number[]): StateCount {
    let counts = buffer === undefined ? NOTHING : this.frozen.get(buffer);
    if (counts === undefined) this.frozen.set(buffer!, counts = countOf(buffer!));
    return total(counts, ids);
  }
}

function total(counts: Counts, ids: readonly number[]): StateCount {
  const sum: Counted = { rowCount: 0, deleteCount: 0, sizeBytes: 0 };
  for (const id of ids) add(sum, counts.get(id));
  return sum;
}

function add(sum: Counted, count: StateCount | undefined): void {
  sum.rowCount += count?.rowCount ?? 0;
  sum.deleteCount += count?.deleteCount ?? 0;
  sum.sizeBytes += count?.sizeBytes ?? 0;
}

function countOf({ pages }: WriteBuffer): Counts {
  const { words, bytes } = pages;
  const counts = new Map<number, Counted>();
  let stateId = -1;
  let count: Counted = { rowCount: 0, deleteCount: 0, sizeBytes: 0 };
  for (let segment = 0; segment < pages.segmentCount; segment++) {
    const end = pages.segmentEnd(segment);
    for (let row = pages.segmentStart(segment); row < end;) {
      const key = words[row + KEY]!;
      const start = valueStartOf(words, row) - (key >>> 3);
      const id = (bytes[start + 2]! << 8) | bytes[start + 3]!;
      if (id !== stateId) {
        stateId = id;
        count = counts.get(id) ?? { rowCount: 0, deleteCount: 0, sizeBytes: 0 };
        counts.set(id, count);
      }
      const next = pages.rowAfter(row);
      const kind = key & KIND_MASK;
      count.sizeBytes += (next - row) * 4;
      if (kind <= DELETE_PREFIX) count.rowCount++;
      if (kind === DELETE || kind === DELETE_PREFIX) count.deleteCount++;
      row = next;
    }
  }
  return counts;
}
