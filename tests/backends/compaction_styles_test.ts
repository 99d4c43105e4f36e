import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_COLUMN_OPTIONS } from "../../backends/lsm/column_options.ts";
import { type CompactionRules, isBehind, pendingBytes, pickCompaction } from "../../backends/lsm/compaction_picker.ts";

interface SizedRun {
  readonly sizeBytes: number;
  readonly keyGroups: { readonly start: number; readonly end: number };
  readonly visibleShare: number;
}

const RULES: CompactionRules = { ...DEFAULT_COLUMN_OPTIONS, levelBaseBytes: 1000 };

function run(sizeBytes: number, start = 0, end = 127): SizedRun {
  return { sizeBytes, keyGroups: { start, end }, visibleShare: 1 };
}

function runs(...sizes: number[]): SizedRun[] {
  return sizes.map((size) => run(size));
}

/** Does all that is due, as if nothing were written twice; the levels afterwards, and how many bytes were written. */
function settle(levels: readonly (readonly SizedRun[])[], rules: CompactionRules) {
  const now = levels.map((level) => [...level]);
  let writtenBytes = 0;
  for (let pick = pickCompaction(now, rules); pick !== null; pick = pickCompaction(now, rules)) {
    const { inputs, outputLevel, moves } = pick;
    const at = now[0]!.indexOf(inputs[0]!);
    for (const level of now) level.splice(0, level.length, ...level.filter((one) => !inputs.includes(one)));
    const bytes = inputs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (!moves) writtenBytes += bytes;
    const start = Math.min(...inputs.map(({ keyGroups }) => keyGroups.start));
    const end = Math.max(...inputs.map(({ keyGroups }) => keyGroups.end));
    while (now.length <= outputLevel) now.push([]);
    now[outputLevel]!.splice(outputLevel === 0 ? Math.max(0, at) : 0, 0, run(bytes, start, end));
    while (now.length > 1 && now.at(-1)!.length === 0) now.pop();
  }
  return { levels: now, writtenBytes };
}

function sizesOf(levels: readonly (readonly SizedRun[])[]): number[] {
  return levels.map((level) => level.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
}

const SIXTEENTHS = Array.from({ length: 16 }, (_, i) => run(100, i * 8, i * 8 + 7));

test("compaction.level.use-dynamic-size keeps nine tenths of the rows in the last level, where fixed sizes keep six", () => {
  deepEqual(sizesOf(settle([[], SIXTEENTHS], RULES).levels), [0, 1000, 600]);
  const { levels, writtenBytes } = settle([[], SIXTEENTHS], { ...RULES, dynamicLevelBytes: true });
  deepEqual(sizesOf(levels), [0, 100, 1500]);
  equal(writtenBytes, 0, "files of a level that is empty below are moved");
});

test("compaction.level.use-dynamic-size leaves a level what it is made for when the last one shrinks", () => {
  const rules = { ...RULES, dynamicLevelBytes: true };
  deepEqual(sizesOf(settle([[], [run(100, 0, 7)], [run(10, 64, 71)]], rules).levels), [0, 100, 10]);
  deepEqual(sizesOf(settle([[], [run(101, 0, 7)], [run(10, 64, 71)]], rules).levels), [0, 0, 111]);
  // The last level is not larger than it would be with fixed sizes.
  equal(sizesOf(settle([[], [], Array.from({ length: 11 }, (_, i) => run(1000, i, i))], rules).levels).length, 4);
});

test("compaction.level.max-size-multiplier says how much larger the next level may be", () => {
  const sizes = (levelRatio: number) =>
    sizesOf(settle([[], SIXTEENTHS], { ...RULES, levelBaseBytes: 200, levelRatio }).levels);
  deepEqual(sizes(2), [0, 200, 400, 800, 200]);
  deepEqual(sizes(4), [0, 200, 800, 600]);
});

test("compaction.style UNIVERSAL merges runs of similar size, and all when the newer ones are twice the oldest", () => {
  const rules: CompactionRules = { ...RULES, compactionStyle: "UNIVERSAL" };
  const inputs = (...sizes: number[]) =>
    pickCompaction([runs(...sizes)], rules)?.inputs.map(({ sizeBytes }) => sizeBytes);
  equal(inputs(10, 10, 10), undefined);
  deepEqual(inputs(10, 10, 10, 10), [10, 10, 10, 10]);
  deepEqual(inputs(10, 10, 10, 10, 500), [10, 10, 10, 10]);
  deepEqual(inputs(100, 300, 700, 500), [100, 300, 700, 500]);
  equal(inputs(1, 3, 9, 500), undefined);
  deepEqual(pickCompaction([runs(10, 10, 10, 10)], rules), {
    inputs: runs(10, 10, 10, 10),
    outputLevel: 0,
    dropsDeletes: true,
    moves: false,
  });
  const many = settle([runs(...Array.from({ length: 64 }, () => 10))], rules);
  equal(many.levels.length, 1, "nothing leaves level 0");
  ok(many.levels[0]!.length < 4);
});

test("compaction.style UNIVERSAL takes the levels of a restored snapshot as its oldest run", () => {
  const rules: CompactionRules = { ...RULES, compactionStyle: "UNIVERSAL" };
  const deeper = [run(50, 0, 63), run(50, 64, 127)];
  const pick = (...sizes: number[]) => pickCompaction([runs(...sizes), deeper, [run(1)]], rules);
  equal(pick(1, 9, 70, 121), null);
  deepEqual(pick(1, 9, 70, 122), {
    inputs: [...runs(1, 9, 70, 122), ...deeper, run(1)],
    outputLevel: 0,
    dropsDeletes: true,
    moves: false,
  });
});

test("compaction.style NONE never merges, nor makes writers wait for it", () => {
  const rules: CompactionRules = { ...RULES, compactionStyle: "NONE" };
  const many = [runs(...Array.from({ length: 64 }, () => 10)), SIXTEENTHS];
  equal(pickCompaction(many, rules), null);
  equal(isBehind(many, rules), false);
  equal(isBehind(many, RULES), true);
  equal(pendingBytes(many, rules), 0);
  ok(pendingBytes(many, RULES) > 0);
});
