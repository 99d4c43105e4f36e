/**
 * Walks the rows of a version that start with a prefix and are alive.
 *
 * Called by: lsm_store.ts (makes it).
 * Calls: ../runs/merge_cursor.ts, version.ts.
 *
 * Invariants:
 * - the version is pinned until the cursor is closed or at its end.
 *
 * @module
 */
import type { RowCursor } from "../embedded/row_store.ts";
import { ofWorkingFile } from "../runs/file_failure.ts";
import { MergeCursor } from "../runs/merge_cursor.ts";
import type { RunCursor } from "../runs/run_cursor.ts";
import { PUT } from "../runs/run_format.ts";
import type { LsmStatistics } from "./lsm_statistics.ts";
import { runOf, type RunView, type Version } from "./version.ts";

const NO_BYTES = new Uint8Array(0);

/** Which rows a cursor gives. */
export interface ScanRange {
  /** They start with `prefix[0..prefixBytes-1]`, which has at least a key group. */
  readonly prefix: Uint8Array;
  readonly prefixBytes: number;
  /** `rowHash` of the prefix when it names one list or map; else null. */
  readonly prefixHash: number | null;
  /** First row key that is wanted. */
  readonly from: Uint8Array | undefined;
}

/** Rows that are alive, ascending. */
export class LsmCursor implements RowCursor {
  key: Uint8Array = NO_BYTES;
  keyBytes = 0;
  value: Uint8Array = NO_BYTES;
  valueStart = 0;
  valueEnd = 0;
  private readonly views: readonly RunView[];
  private readonly cursors: RunCursor[] = [];
  /** Null where there is at most one run to look at: no other hides a row of it. */
  private readonly merge: MergeCursor | null;
  private open = true;

  constructor(private readonly version: Version, range: ScanRange, private readonly statistics: LsmStatistics) {
    version.retain();
    this.views = viewsOf(version, range);
    for (let i = 0; i < this.views.length; i++) this.cursors.push(this.views[i]!.file.startScan());
    this.merge = this.cursors.length < 2 ? null : new MergeCursor(this.cursors);
    const { prefix, prefixBytes, from } = range;
    if (this.cursors.length === 0) return;
    try {
      const rows = this.merge ?? this.cursors[0]!;
      if (from === undefined) rows.seek(prefix, prefixBytes, prefixBytes);
      else rows.seek(from, from.length, prefixBytes);
    } catch (error) {
      this.close();
      throw ofWorkingFile(error);
    }
  }

  next(): boolean {
    const { merge } = this;
    if (!this.find()) {
      this.close();
      return false;
    }
    const row = merge ?? this.cursors[0]!;
    this.key = row.key;
    this.keyBytes = row.keyBytes;
    this.value = row.value;
    this.valueStart = row.valueStart;
    this.valueEnd = row.valueEnd;
    this.statistics.iterBytesRead += row.keyBytes + row.valueEnd - row.valueStart;
    return true;
  }

  private find(): boolean {
    if (!this.open) return false;
    try {
      return this.merge === null ? this.nextPut(this.cursors[0]) : this.merge.next();
    } catch (error) {
      throw ofWorkingFile(error);
    }
  }

  private nextPut(rows: RunCursor | undefined): boolean {
    if (rows === undefined) return false;
    while (rows.next()) if (rows.code === PUT) return true;
    return false;
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    for (let i = 0; i < this.cursors.length; i++) {
      this.cursors[i]!.close();
      this.views[i]!.file.endScan(this.cursors[i]!);
    }
    this.version.release();
  }
}

/** The runs that may have rows with the prefix, or hide some, oldest first. */
function viewsOf(version: Version, { prefix, prefixHash }: ScanRange): RunView[] {
  const keyGroup = (prefix[0]! << 8) | prefix[1]!;
  const { levels } = version;
  const views: RunView[] = [];
  for (let level = levels.length - 1; level > 0; level--) {
    const view = runOf(levels[level]!, keyGroup);
    if (view !== undefined && mayMatter(view, prefix, prefixHash)) views.push(view);
  }
  const level0 = levels[0]!;
  for (let i = level0.length - 1; i >= 0; i--) {
    const view = level0[i]!;
    if (keyGroup < view.firstGroup || keyGroup > view.lastGroup) continue;
    if (mayMatter(view, prefix, prefixHash)) views.push(view);
  }
  return views;
}

function mayMatter({ file: { run } }: RunView, prefix: Uint8Array, prefixHash: number | null): boolean {
  return prefixHash === null || run.mayHold(prefixHash) || run.deletesState(prefix);
}
