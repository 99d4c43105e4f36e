/**
 * Applies sorted rows to a tree, in transactions of about a millisecond, and writes them as a run beside it if a snapshot
 * may need that.
 *
 * Called by: lmdb_store.ts.
 * Calls: row_tree.ts, row_walk.ts, increment_chain.ts, ingest_undo.ts.
 *
 * Invariants:
 * - until it is done, reads see the moment before it; if it is given up they go on doing so, and the next ingest first
 *   takes back what this one has done.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import { StreamError } from "../../core/errors.ts";
import type { SortedRows, Steps } from "../embedded/row_store.ts";
import { DELETE, PUT, type RunState } from "../runs/run_format.ts";
import type { IncrementChain, OpenRun } from "./increment_chain.ts";
import { type HalfIngest, IngestUndo } from "./ingest_undo.ts";
import { Moment } from "./moment.ts";
import type { RowTree } from "./row_tree.ts";
import { RowWalk } from "./row_walk.ts";

/** Rows between two looks at the clock. */
const ROWS_PER_LOOK = 16;
/** No more than this in one transaction, even where time stands still. */
const ROWS_PER_STEP = 512;
/** A transaction keeps the pages that it changes in memory. */
const BYTES_PER_STEP = 262_144;
/** Above every row key, since a key group is below 32768. */
const ABOVE_ALL = new Uint8Array([0xff]);
/** Time for rows; the commit takes about as long again. */
const STEP_MS = 0.5;

/** What an ingest works on; `half` is what the one before has left behind, null if nothing. */
export interface IngestTarget {
  readonly tree: RowTree;
  readonly clock: Clock;
  /** Null when no snapshot builds on another. */
  readonly chain: IncrementChain | null;
  half: HalfIngest | null;
  states(): readonly RunState[];
}

/** One ingest. */
export class LmdbIngest implements Steps {
  private phase: "undo" | "sort" | "apply" | "over" = "undo";
  private readonly tree: RowTree;
  private undo: IngestUndo | null = null;
  private moment: Moment | null = null;
  private run: OpenRun | null = null;
  private first: Uint8Array | null = null;
  /** The key of the row that was applied last, or is being applied. */
  private last: Uint8Array = new Uint8Array(0);
  /** Whether the current row is a delete-prefix whose rows are not all removed. */
  private isClearing = false;

  /** @param onEnd Called once, when it is done or given up. */
  constructor(
    private readonly rows: SortedRows,
    private readonly target: IngestTarget,
    private readonly onEnd: () => void,
  ) {
    this.tree = target.tree;
  }

  step(): boolean {
    try {
      switch (this.phase) {
        case "undo":
          if (this.undoStep()) this.phase = "sort";
          return false;
        case "sort":
          if (this.rows.sort()) this.begin();
          return false;
        case "apply":
          if (!this.apply()) return false;
          this.end();
          return true;
        case "over":
          throw new StreamError("invalid", "Cannot go on with an ingest: it is over");
      }
    } catch (error) {
      this.cancel();
      throw error;
    }
  }

  cancel(): void {
    if (this.phase === "over") return;
    this.phase = "over";
    this.undo?.close();
    const { moment, run, first } = this;
    if (run !== null) this.target.chain!.abandon(run);
    if (moment !== null) {
      if (first === null) this.see(null);
      else this.target.half = { moment: moment.retain(), first, last: this.last };
      moment.release();
    }
    this.onEnd();
  }

  private undoStep(): boolean {
    const { half } = this.target;
    if (half === null) return true;
    this.undo ??= new IngestUndo(this.tree, half);
    if (!this.undo.step()) return false;
    this.target.half = null;
    this.see(null);
    half.moment.release();
    return true;
  }

  private begin(): void {
    this.phase = "apply";
    if (this.rows.rowCount === 0) return;
    this.run = this.target.chain?.begin(this.target.states()) ?? null;
    this.moment = new Moment(this.tree.pin());
    this.see(this.moment);
  }

  /** Makes reads see a moment, or what is there now. */
  private see(moment: Moment | null): void {
    this.tree.readAt = moment === null ? undefined : { moment, transaction: moment.transaction };
  }

  private end(): void {
    if (this.rows.rowCount > 0) this.target.chain?.end(this.run);
    this.phase = "over";
    this.see(null);
    this.moment?.release();
    this.onEnd();
  }

  /** One transaction; true when there are no rows left. */
  private apply(): boolean {
    let done = false;
    this.tree.transaction(() => {
      done = this.applySome();
    });
    return done;
  }

  private applySome(): boolean {
    const { rows, target: { clock } } = this;
    const endMs = clock.monotonicMs() + STEP_MS;
    let bytes = 0;
    for (let count = 1;; count++) {
      if (this.isClearing) {
        this.isClearing = !this.clearSome();
        if (this.isClearing) return false;
      } else {
        if (!rows.next()) {
          this.last = ABOVE_ALL;
          return true;
        }
        this.first ??= rows.bytes.slice(rows.keyStart, rows.keyEnd);
        bytes += rows.valueEnd - rows.keyStart;
        this.applyRow();
      }
      const isFull = count >= ROWS_PER_STEP || bytes >= BYTES_PER_STEP;
      if (isFull || (count % ROWS_PER_LOOK === 0 && clock.monotonicMs() >= endMs)) {
        this.last = rows.bytes.slice(rows.keyStart, rows.keyEnd);
        return false;
      }
    }
  }

  private applyRow(): void {
    const { code, bytes, keyStart, keyEnd, valueEnd } = this.rows;
    if (this.run !== null) {
      const keyGroup = (bytes[keyStart]! << 8) | bytes[keyStart + 1]!;
      this.run.writer.add(keyGroup, code, bytes, keyStart + 2, keyEnd, valueEnd);
    }
    if (code === PUT) {
      this.tree.put(bytes, keyStart, keyEnd, bytes, keyEnd, valueEnd);
    } else if (code === DELETE) {
      this.tree.remove(bytes, keyStart, keyEnd);
    } else {
      this.last = bytes.slice(keyStart, keyEnd);
      this.isClearing = true;
    }
  }

  /** Removes rows that start with the current one's key; true when there are none left. */
  private clearSome(): boolean {
    const keys: Uint8Array[] = [];
    const walk = new RowWalk(this.tree, { prefix: this.last, prefixBytes: this.last.length }, null);
    let bytes = 0;
    while (keys.length < ROWS_PER_STEP && bytes < BYTES_PER_STEP && walk.next()) {
      bytes += walk.keyBytes;
      keys.push(walk.key.slice(0, walk.keyBytes));
    }
    walk.close();
    for (const key of keys) this.tree.remove(key, 0, key.length);
    return keys.length < ROWS_PER_STEP && bytes < BYTES_PER_STEP;
  }
}
