/**
 * The rows of one level from 1 on: of runs that lie one behind the other, of which one is read at a time.
 *
 * Called by: version_rows.ts.
 * Calls: ../runs/run_cursor.ts.
 *
 * @module
 */
import type { MergeInput } from "../runs/merge_cursor.ts";
import { PUT, type RowCode } from "../runs/run_format.ts";
import type { RunCursor } from "../runs/run_cursor.ts";
import type { RunView } from "./version.ts";

const NO_BYTES = new Uint8Array(0);

/** A cursor over all runs of a level. */
export class LevelCursor implements MergeInput {
  code: RowCode = PUT;
  key: Uint8Array = NO_BYTES;
  keyBytes = 0;
  value: Uint8Array = NO_BYTES;
  valueStart = 0;
  valueEnd = 0;
  /** Index of the run that is read. */
  private at = 0;
  private current: RunCursor | undefined;
  /** Rows must start with these bytes. */
  private bound = NO_BYTES;

  /** @param views Sorted by key group, and no key group in two of them. */
  constructor(private readonly views: readonly RunView[]) {}

  next(): boolean {
    for (;;) {
      const current = this.current ??= this.open(this.at);
      if (current === undefined) return false;
      if (current.next()) return this.take(current);
      this.leave();
      this.at++;
      // All rows with the bound have one key group, which is in one run.
      if (this.bound.length > 0) this.at = this.views.length;
    }
  }

  seek(target: Uint8Array, targetBytes: number, boundBytes: number): void {
    this.bound = target.slice(0, boundBytes);
    const at = this.indexOf(target);
    if (at !== this.at) this.leave();
    this.at = at;
    this.current ??= this.open(at);
    this.current?.seek(target, targetBytes, boundBytes);
  }

  coverOf(target: Uint8Array, targetBytes: number): number {
    const view = this.views[this.indexOf(target)];
    if (view === undefined || view.firstGroup > ((target[0]! << 8) | target[1]!)) return 0;
    return view.file.run.rows(view.keyGroups).coverOf(target, targetBytes);
  }

  close(): void {
    this.leave();
    this.at = this.views.length;
  }

  private leave(): void {
    this.current?.close();
    this.current = undefined;
  }

  /** The first run with rows at or above a target. */
  private indexOf(target: Uint8Array): number {
    const keyGroup = (target[0]! << 8) | target[1]!;
    let at = 0;
    while (at < this.views.length && this.views[at]!.lastGroup < keyGroup) at++;
    return at;
  }

  private open(at: number): RunCursor | undefined {
    const view = this.views[at];
    return view?.file.run.rows(view.keyGroups);
  }

  private take(row: RunCursor): true {
    this.code = row.code;
    this.key = row.key;
    this.keyBytes = row.keyBytes;
    this.value = row.value;
    this.valueStart = row.valueStart;
    this.valueEnd = row.valueEnd;
    return true;
  }
}
