/**
 * Decides which runs are merged next, from their sizes alone.
 *
 * Level 0 holds runs as they were flushed, which overlap. They are merged among themselves as long as they are few and
 * small beside level 1, and all together into level 1 when they have grown to a good part of it: so level 1 is rewritten
 * seldom, and an incremental checkpoint uploads little more than what has changed. From level 1 on the runs of a level
 * have different key groups; a level that is too large gives a run to the next one.
 *
 * Called by: lsm_store.ts.
 * Calls: core/key_groups.ts.
 *
 * Source: level 0 as RocksDB's universal compaction, the rest as its leveled compaction.
 *
 * Invariants:
 * - what is picked of level 0 is a sequence without a gap, and it ends with the oldest run when it goes to level 1;
 * - what is merged into a level from 1 on includes all of its runs that share a key group with the output.
 *
 * @module
 */
import { intersect, type KeyGroupRange } from "../../core/key_groups.ts";

/** What the picker must know of a run. */
export interface PickableRun {
  /** About how many bytes its visible rows have. */
  readonly sizeBytes: number;
  /** Key groups of its visible rows. */
  readonly keyGroups: KeyGroupRange;
  /** Part of its file that is visible, in (0, 1]; less after a rescaling. */
  readonly visibleShare: number;
}

/** How runs are merged: in levels; among themselves, into fewer but larger ones; never. */
export type CompactionStyle = "LEVEL" | "UNIVERSAL" | "NONE";

/** When to merge. */
export interface CompactionRules {
  /** `state.backend.lsm.compaction.style`. */
  readonly compactionStyle: CompactionStyle;
  /**
   * Whether each level has its size from that of the last one, so that nine tenths of all rows are in the last level
   * and few are there twice: `state.backend.lsm.compaction.level.use-dynamic-size`.
   */
  readonly dynamicLevelBytes: boolean;
  /** Level 1 may have this many bytes, `state.backend.rocksdb.compaction.level.max-size-level-base`. */
  readonly levelBaseBytes: number;
  /** Each level may be this many times as large as the one before. */
  readonly levelRatio: number;
  /** Level 0 goes into level 1 when it has this part of its size. */
  readonly mergeShare: number;
  /** So many runs of level 0, at least, are merged among themselves. */
  readonly minMergedRuns: number;
  /** From so many runs of level 0 on some are merged whatever their sizes. */
  readonly maxLevel0Runs: number;
  /** From so many runs of level 0 on writers wait. */
  readonly behindRuns: number;
}

/** Runs that are merged into one level. */
export interface Compaction<Run> {
  /** Newest first: later ones are hidden by earlier ones. */
  readonly inputs: readonly Run[];
  readonly outputLevel: number;
  /** No older row is left that a delete of the inputs could still have to hide. */
  readonly dropsDeletes: boolean;
  /** The only input is put into the output level as it is. */
  readonly moves: boolean;
}

/** A run of level 0 joins those that are newer than it when it has at most so many times their mean size. */
const SIMILAR = 2;
/** A run is rewritten when less of it than this is visible. */
const WORTHWHILE_SHARE = 0.6;
/** With UNIVERSAL all runs are merged when the newer ones have so many times the size of the oldest. */
const AMPLIFICATION = 2;

/** Sum of the sizes. */
export function totalBytes(runs: readonly PickableRun[]): number {
  let sum = 0;
  for (const run of runs) sum += run.sizeBytes;
  return sum;
}

/** Whether writers should wait for compactions. */
export function isBehind(levels: readonly (readonly PickableRun[])[], rules: CompactionRules): boolean {
  return rules.compactionStyle !== "NONE" && (levels[0]?.length ?? 0) >= rules.behindRuns;
}

/**
 * The next compaction, null when none is due.
 *
 * @param levels Level 0 first; level 0 newest first, the others by key group.
 */
export function pickCompaction<Run extends PickableRun>(
  levels: readonly (readonly Run[])[],
  rules: CompactionRules,
): Compaction<Run> | null {
  if (rules.compactionStyle === "NONE") return null;
  if (rules.compactionStyle === "UNIVERSAL") return pickUniversal(levels, rules);
  const level0 = levels[0] ?? [];
  const level1 = levels[1] ?? [];
  if (isDueForLevel1(level0, level1, rules)) return intoNext(levels, 0, level0);
  const span = similarSpan(level0, rules);
  if (span !== undefined) return withinLevel0(levels, span);
  for (let level = 1; level < levels.length; level++) {
    if (totalBytes(levels[level]!) > limitOf(levels, level, rules)) {
      return intoNext(levels, level, [cheapestOf(levels, level)]);
    }
  }
  return rewrite(levels);
}

/** About how many bytes compactions that are due now will write. */
export function pendingBytes(levels: readonly (readonly PickableRun[])[], rules: CompactionRules): number {
  if (rules.compactionStyle !== "LEVEL") return totalBytes(pickCompaction(levels, rules)?.inputs ?? []);
  const level0 = levels[0] ?? [];
  const level1 = levels[1] ?? [];
  let bytes = 0;
  if (isDueForLevel1(level0, level1, rules)) bytes = totalBytes(level0) + totalBytes(level1);
  else if (similarSpan(level0, rules) !== undefined) bytes = totalBytes(level0);
  for (let level = 1; level < levels.length; level++) {
    bytes += Math.max(0, totalBytes(levels[level]!) - limitOf(levels, level, rules)) * 2;
  }
  return bytes;
}

/** How large a level from 1 on may be. */
function limitOf(levels: readonly (readonly PickableRun[])[], level: number, rules: CompactionRules): number {
  const { levelBaseBytes, levelRatio, dynamicLevelBytes } = rules;
  const last = levels.length - 1;
  const limit = levelBaseBytes * levelRatio ** (level - 1);
  if (!dynamicLevelBytes || level >= last) return limit;
  // Not less than a level is made for: when the last one shrinks, nothing is gained by emptying those above it.
  return Math.max(totalBytes(levels[last]!) / levelRatio ** (last - level), limit / levelRatio);
}

function pickUniversal<Run extends PickableRun>(
  levels: readonly (readonly Run[])[],
  rules: CompactionRules,
): Compaction<Run> | null {
  const level0 = levels[0] ?? [];
  // Levels come from a restore, of a snapshot that had them: together they are the oldest then.
  const deeper = levels.slice(1).flat();
  if (level0.length >= rules.minMergedRuns) {
    const newer = deeper.length > 0 ? level0 : level0.slice(0, -1);
    const oldestBytes = totalBytes(deeper.length > 0 ? deeper : level0.slice(-1));
    if (totalBytes(newer) >= oldestBytes * AMPLIFICATION) {
      return { inputs: [...level0, ...deeper], outputLevel: 0, dropsDeletes: true, moves: false };
    }
  }
  const span = similarSpan(level0, rules);
  return span === undefined ? rewrite(levels) : withinLevel0(levels, span);
}

function isDueForLevel1(
  level0: readonly PickableRun[],
  level1: readonly PickableRun[],
  rules: CompactionRules,
): boolean {
  const few = level0.length < rules.minMergedRuns;
  if (level0.length === 0 || (few && level1.length === 0)) return false;
  return totalBytes(level0) >= totalBytes(level1) * (few ? 1 : rules.mergeShare);
}

/** First and last index of runs of similar size, the newest such; or of the smallest, when there are too many runs. */
function similarSpan(level0: readonly PickableRun[], rules: CompactionRules): readonly [number, number] | undefined {
  const { minMergedRuns, maxLevel0Runs } = rules;
  for (let first = 0; first + minMergedRuns <= level0.length; first++) {
    let sum = 0;
    let end = first;
    while (end < level0.length && (end === first || level0[end]!.sizeBytes * (end - first) <= sum * SIMILAR)) {
      sum += level0[end++]!.sizeBytes;
    }
    if (end - first >= minMergedRuns) return [first, end - 1];
  }
  if (level0.length < maxLevel0Runs) return undefined;
  let best = 0;
  let bestBytes = Number.POSITIVE_INFINITY;
  for (let first = 0; first + minMergedRuns <= level0.length; first++) {
    const bytes = totalBytes(level0.slice(first, first + minMergedRuns));
    if (bytes < bestBytes) [best, bestBytes] = [first, bytes];
  }
  return [best, Math.min(best + minMergedRuns, level0.length) - 1];
}

function withinLevel0<Run extends PickableRun>(
  levels: readonly (readonly Run[])[],
  [first, last]: readonly [number, number],
): Compaction<Run> {
  const level0 = levels[0]!;
  const inputs = level0.slice(first, last + 1);
  const dropsDeletes = last === level0.length - 1 && !isAnyBelow(levels, 1, rangeOf(inputs));
  return { inputs, outputLevel: 0, dropsDeletes, moves: false };
}

function intoNext<Run extends PickableRun>(
  levels: readonly (readonly Run[])[],
  level: number,
  picked: readonly Run[],
): Compaction<Run> {
  const range = rangeOf(picked);
  const older = (levels[level + 1] ?? []).filter((run) => intersect(run.keyGroups, range) !== undefined);
  const inputs = [...picked, ...older];
  return {
    inputs,
    outputLevel: level + 1,
    dropsDeletes: !isAnyBelow(levels, level + 2, rangeOf(inputs)),
    moves: inputs.length === 1,
  };
}

/** The run of a level that shares key groups with the fewest bytes of the next level, for its size. */
function cheapestOf<Run extends PickableRun>(levels: readonly (readonly Run[])[], level: number): Run {
  const next = levels[level + 1] ?? [];
  let best = levels[level]![0]!;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const run of levels[level]!) {
    const older = next.filter((other) => intersect(other.keyGroups, run.keyGroups) !== undefined);
    const cost = totalBytes(older) / Math.max(1, run.sizeBytes);
    if (cost < bestCost) [best, bestCost] = [run, cost];
  }
  return best;
}

/** Frees the space of rows that nobody may see. */
function rewrite<Run extends PickableRun>(levels: readonly (readonly Run[])[]): Compaction<Run> | null {
  for (let level = 1; level < levels.length; level++) {
    const run = levels[level]!.find(({ visibleShare }) => visibleShare < WORTHWHILE_SHARE);
    if (run === undefined) continue;
    const dropsDeletes = !isAnyBelow(levels, level + 1, run.keyGroups);
    return { inputs: [run], outputLevel: level, dropsDeletes, moves: false };
  }
  return null;
}

function isAnyBelow(levels: readonly (readonly PickableRun[])[], from: number, range: KeyGroupRange): boolean {
  for (let level = from; level < levels.length; level++) {
    if (levels[level]!.some((run) => intersect(run.keyGroups, range) !== undefined)) return true;
  }
  return false;
}

function rangeOf(runs: readonly PickableRun[]): KeyGroupRange {
  let start = Number.POSITIVE_INFINITY;
  let end = -1;
  for (const { keyGroups } of runs) {
    start = Math.min(start, keyGroups.start);
    end = Math.max(end, keyGroups.end);
  }
  return { start, end };
}
