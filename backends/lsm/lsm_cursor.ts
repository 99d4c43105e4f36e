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
import { MergeCursor } from "../runs/merge_cursor.ts";
import type { LsmStatistics } from "./lsm_statistics.ts";
import { runOf, type RunView, type Version } from "./version.ts";

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
  key: Uint8Array = new Uint8Array(0);
  keyBytes = 0;
  value: Uint8Array = new Uint8Array(0);
  valueStart = 0;
  valueEnd = 0;
  private readonly merge: MergeCursor;
  private open = true;

  constructor(private readonly version: Version, range: ScanRange, private readonly statistics: LsmStatistics) {
    version.retain();
    const { prefix, prefixBytes, from } = range;
    this.merge = new MergeCursor(viewsOf(version, range).map(({ file }) => file.run.scan()));
    try {
      if (from === undefined) this.merge.seek(prefix, prefixBytes, prefixBytes);
      else this.merge.seek(from, from.length, prefixBytes);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  next(): boolean {
    const merge = this.merge;
    if (!this.open || !merge.next()) {
      this.close();
      return false;
    }
    this.key = merge.key;
    this.keyBytes = merge.keyBytes;
    this.value = merge.value;
    this.valueStart = merge.valueStart;
    this.valueEnd = merge.valueEnd;
    this.statistics.iterBytesRead += merge.keyBytes + merge.valueEnd - merge.valueStart;
    return true;
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.merge.close();
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
