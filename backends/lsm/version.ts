/**
 * What the store holds at a moment: an immutable list of runs by level.
 *
 * Called by: lsm_store.ts, which publishes a new one after each flush and compaction; cursors and snapshots pin one.
 * Calls: run_file.ts.
 *
 * Invariants:
 * - a version holds on to the files of its runs until nobody needs it;
 * - level 0 is newest first and newer than all others; each further level is sorted by key group, no key group is in two
 *   of its runs, and it is newer than the levels after it.
 *
 * @module
 */
import { intersect, type KeyGroupRange } from "../../core/key_groups.ts";
import type { PickableRun } from "./compaction_picker.ts";
import type { RunFile } from "./run_file.ts";

/** A run file, or the part of it in a range of key groups: other rows are never shown, merged or listed. */
export class RunView implements PickableRun {
  readonly sizeBytes: number;
  readonly visibleShare: number;
  /** First key group that is visible; the same as in `keyGroups`, nearer for reads. */
  readonly firstGroup: number;
  /** Last key group that is visible. */
  readonly lastGroup: number;

  /** @param keyGroups Within those of the file. */
  constructor(readonly file: RunFile, readonly keyGroups: KeyGroupRange = file.keyGroups) {
    const visible = keyGroups.end - keyGroups.start + 1;
    this.visibleShare = visible / (file.keyGroups.end - file.keyGroups.start + 1);
    this.sizeBytes = Math.ceil(file.sizeBytes * this.visibleShare);
    this.firstGroup = keyGroups.start;
    this.lastGroup = keyGroups.end;
  }
}

/** Counts versions that are held. */
export interface VersionCount {
  liveVersions: number;
}

/** Runs by level. Made with one holder. */
export class Version {
  private holders = 1;

  /** @param levels Level 0 first. Takes hold of the files. */
  constructor(readonly levels: readonly (readonly RunView[])[], private readonly count: VersionCount) {
    count.liveVersions++;
    for (const level of levels) for (const view of level) view.file.retain();
  }

  /** Number of runs. */
  get runCount(): number {
    let count = 0;
    for (const level of this.levels) count += level.length;
    return count;
  }

  /** One more needs it. */
  retain(): this {
    this.holders++;
    return this;
  }

  /** One fewer needs it. */
  release(): void {
    if (--this.holders > 0) return;
    this.count.liveVersions--;
    for (const level of this.levels) for (const view of level) view.file.release();
  }

  /** With a run that is newer than all others. */
  withNewest(view: RunView): Version {
    return new Version([[view, ...this.levels[0] ?? []], ...this.levels.slice(1)], this.count);
  }

  /** With `outputs` in the place of `inputs`. @param outputs In the order of key groups; a single one for level 0. */
  withCompacted(inputs: readonly RunView[], outputs: readonly RunView[], outputLevel: number): Version {
    const taken = new Set(inputs);
    const levels: RunView[][] = [];
    for (let level = 0; level < Math.max(this.levels.length, outputLevel + 1); level++) {
      const before = this.levels[level] ?? [];
      const kept: RunView[] = [];
      let placed = level !== outputLevel;
      for (const view of before) {
        if (!taken.has(view)) {
          kept.push(view);
        } else if (level === 0 && !placed) {
          // Newer ones may have come meanwhile: they stay before it.
          kept.push(...outputs);
          placed = true;
        }
      }
      if (!placed) kept.push(...outputs);
      if (level > 0) kept.sort((left, right) => left.firstGroup - right.firstGroup);
      levels.push(kept);
    }
    while (levels.length > 1 && levels.at(-1)!.length === 0) levels.pop();
    return new Version(levels, this.count);
  }
}

/** The run of a level from 1 on that has a key group, undefined when none does. */
export function runOf(level: readonly RunView[], keyGroup: number): RunView | undefined {
  let low = 0;
  let high = level.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (level[middle]!.lastGroup < keyGroup) low = middle + 1;
    else high = middle;
  }
  const view = level[low];
  return view !== undefined && view.firstGroup <= keyGroup ? view : undefined;
}

/** Whether no key group is in two of the runs. */
export function areDisjoint(views: readonly { readonly keyGroups: KeyGroupRange }[]): boolean {
  const sorted = views.map(({ keyGroups }) => keyGroups).sort((left, right) => left.start - right.start);
  return sorted.every((range, i) => i === 0 || intersect(sorted[i - 1]!, range) === undefined);
}
