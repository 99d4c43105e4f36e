/**
 * Merges the runs of one snapshot into the rows that are alive: the newest put of each key that no newer row hides.
 *
 * Called by: the backends, when they restore.
 * Calls: run_cursor.ts.
 *
 * @module
 */
import { compareCursors, type RunCursor } from "./run_cursor.ts";
import { DELETE_PREFIX, PUT } from "./run_format.ts";

/** A delete-prefix row that may still hide rows to come. */
interface HiddenPrefix {
  readonly bytes: Uint8Array;
  /** Index of the run that holds it. */
  readonly age: number;
}

/** Gives the alive rows in order. */
export class MergeCursor {
  /** The cursor that stands on the current row; its fields speak of it. */
  row: RunCursor | undefined;
  /** Index, among the runs given, of the one that holds the current row. */
  runIndex = -1;
  private readonly alive: boolean[];
  /** Runs that stand on the key of the current row. */
  private readonly pending: boolean[];
  private prefixes: HiddenPrefix[] = [];

  /** @param cursors Oldest first; none moved yet. */
  constructor(private readonly cursors: readonly RunCursor[]) {
    this.alive = cursors.map(() => true);
    this.pending = cursors.map(() => true);
  }

  /** Moves to the next row that is alive; false when there is none. */
  next(): boolean {
    for (;;) {
      this.advance();
      const newest = this.pickSmallest();
      if (newest < 0) return false;
      const row = this.cursors[newest]!;
      this.dropPassedPrefixes(row);
      this.keepPrefixes();
      if (row.code === PUT && !this.isHidden(newest)) {
        this.row = row;
        this.runIndex = newest;
        return true;
      }
    }
  }

  private advance(): void {
    for (let i = 0; i < this.cursors.length; i++) {
      if (this.pending[i] && this.alive[i]) this.alive[i] = this.cursors[i]!.next();
    }
  }

  /** Marks the runs that stand on the smallest key as pending; returns the newest of them, -1 if all are at their end. */
  private pickSmallest(): number {
    let best = -1;
    for (let i = 0; i < this.cursors.length; i++) {
      this.pending[i] = false;
      if (!this.alive[i]) continue;
      const order = best < 0 ? -1 : compareCursors(this.cursors[i]!, this.cursors[best]!);
      if (order > 0) continue;
      if (order < 0) { for (let j = 0; j < i; j++) this.pending[j] = false; }
      this.pending[i] = true;
      best = i;
    }
    return best;
  }

  private keepPrefixes(): void {
    for (let i = 0; i < this.cursors.length; i++) {
      const cursor = this.cursors[i]!;
      if (this.pending[i] && cursor.code === DELETE_PREFIX) {
        this.prefixes.push({ bytes: cursor.key.slice(0, cursor.keyBytes), age: i });
      }
    }
  }

  private dropPassedPrefixes(row: RunCursor): void {
    if (this.prefixes.length > 0) this.prefixes = this.prefixes.filter((prefix) => startsWith(row, prefix.bytes));
  }

  private isHidden(age: number): boolean {
    return this.prefixes.some((prefix) => prefix.age > age);
  }
}

function startsWith(row: RunCursor, prefix: Uint8Array): boolean {
  if (row.keyBytes < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (row.key[i] !== prefix[i]) return false;
  return true;
}
