import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Compaction,
  type CompactionRules,
  isBehind,
  pendingBytes,
  pickCompaction,
} from "../../backends/lsm/compaction_picker.ts";
import { intersect } from "../../core/key_groups.ts";

interface NamedRun {
  readonly name: string;
  readonly sizeBytes: number;
  readonly keyGroups: { readonly start: number; readonly end: number };
  readonly visibleShare: number;
}

const RULES: CompactionRules = {
  compactionStyle: "LEVEL",
  dynamicLevelBytes: false,
  levelBaseBytes: 1000,
  levelRatio: 10,
  mergeShare: 0.5,
  minMergedRuns: 4,
  maxLevel0Runs: 8,
  behindRuns: 12,
};

/** "a:10" is run a of 10 bytes with all key groups; "a:10:0-7" has eight of them, "a:10:0-7:0.5" shows half of its file. */
function level(text: string): NamedRun[] {
  return text.split(" ").filter((part) => part !== "").map((part) => {
    const [name = "", size, range = "0-127", share = "1"] = part.split(":");
    const [start, end] = range.split("-").map(Number);
    return {
      name,
      sizeBytes: Number(size),
      keyGroups: { start: start!, end: end! },
      visibleShare: Number(share),
    };
  });
}

function shown(pick: Compaction<NamedRun> | null): string {
  if (pick === null) return "nothing";
  const { inputs, outputLevel, dropsDeletes, moves } = pick;
  const verb = moves ? "move" : "merge";
  return `${verb} ${inputs.map(({ name }) => name).join("")} to ${outputLevel}${dropsDeletes ? ", drop deletes" : ""}`;
}

const TABLE: readonly [levels: readonly string[], expected: string, why: string][] = [
  [[""], "nothing", "there is nothing"],
  [["a:10"], "nothing", "one run is fine"],
  [["a:10 b:10 c:10"], "nothing", "few runs"],
  [["a:10 b:10 c:10 d:10"], "merge abcd to 1, drop deletes", "no level 1 yet"],
  [["a:10 b:10 c:10", "z:100"], "nothing", "few, and small beside level 1"],
  [["a:10 b:10 c:10 d:10", "z:100"], "merge abcd to 0", "merged among themselves: level 1 would cost too much"],
  [["a:20 b:10 c:10 d:10", "z:100"], "merge abcdz to 1, drop deletes", "half of level 1"],
  [["a:60", "z:100"], "nothing", "one run of more than half"],
  [["a:100", "z:100"], "merge az to 1, drop deletes", "as much as level 1"],
  [["a:10 b:10 c:10 d:10 e:40", "z:1000"], "merge abcd to 0", "an older, larger run stays"],
  [["a:40 b:10 c:10 d:10 e:10", "z:1000"], "merge abcde to 0", "a large one before small ones"],
  [["a:1 b:40 c:40 d:40 e:40", "z:1000"], "merge bcde to 0", "a small new one waits"],
  [["a:1 b:3 c:9 d:27", "z:1000"], "nothing", "sizes that differ"],
  [["a:1 b:3 c:9 d:27 e:81 f:243 g:729 h:2187", "z:9999"], "merge abcd to 0", "too many: the cheapest"],
  [
    ["a:20 b:10 c:10 d:10", "y:50:0-63 z:50:64-127", "x:100"],
    "merge abcdyz to 1",
    "deletes stay: level 2 has older rows",
  ],
  [["a:20:0-9 b:10:0-9 c:10:0-9 d:10:0-9", "y:90:0-63 z:10:64-127", "x:100:10-127"], "merge abcdy to 1", "part of it"],
  [
    ["a:20:0-9 b:10:0-9 c:10:0-9 d:10:0-9", "y:90:0-9 z:10:64-127", "x:100:10-127"],
    "merge abcdy to 1, drop deletes",
    "level 2 has no rows there",
  ],
  [["", "y:600:0-63 z:500:64-127"], "move y to 2, drop deletes", "level 1 is too large, level 2 empty"],
  [
    ["", "y:600:0-63 z:500:64-127", "v:1000:0-10 w:90:60-70"],
    "merge zw to 2, drop deletes",
    "the run that is cheapest for its size",
  ],
  [["", "y:10", "z:10001"], "move z to 3, drop deletes", "level 2 may be ten times level 1"],
  [["", "y:10:0-63:0.5"], "merge y to 1, drop deletes", "half of the file is foreign"],
  [["", "y:10:0-63:0.7"], "nothing", "most of the file is wanted"],
  [["", "y:10:0-63:0.5", "z:100:60-64"], "merge y to 1", "rewritten, but with its deletes"],
];

test("pickCompaction() merges few and small runs among themselves, and level 0 into level 1 when it is a good part of it", () => {
  for (const [levels, expected, why] of TABLE) equal(shown(pickCompaction(levels.map(level), RULES)), expected, why);
});

test("pickCompaction() drops deletes in level 0 only when the oldest run is among the inputs and nothing is below", () => {
  const rules = { ...RULES, mergeShare: 100 };
  equal(shown(pickCompaction(["a:1 b:1 c:1 d:1 e:99"].map(level), rules)), "merge abcde to 1, drop deletes");
  const below = ["a:1 b:1 c:1 d:1 e:99:0-9", "z:900:50-60"].map(level);
  equal(shown(pickCompaction(below, rules)), "merge abcd to 0");
  const apart = ["a:1:0-9 b:1:0-9 c:1:0-9 d:1:0-9", "z:900:50-60"].map(level);
  equal(shown(pickCompaction(apart, rules)), "merge abcd to 0, drop deletes");
});

test("isBehind() tells writers to wait from behindRuns runs on; pendingBytes() is 0 exactly when nothing is due by size", () => {
  const runs = (count: number) => [level(Array.from({ length: count }, (_, i) => `r${i}:10`).join(" "))];
  deepEqual([11, 12, 13].map((count) => isBehind(runs(count), RULES)), [false, true, true]);
  equal(pendingBytes(["a:10 b:10", "z:100"].map(level), RULES), 0);
  equal(pendingBytes(["a:30 b:10 c:10 d:10", "z:100"].map(level), RULES), 160);
  equal(pendingBytes(["", "z:1100"].map(level), RULES), 200);
});

const runArbitrary = fc.record({
  sizeBytes: fc.integer({ min: 1, max: 5000 }),
  start: fc.integer({ min: 0, max: 30 }),
  span: fc.integer({ min: 0, max: 31 }),
});

test("pickCompaction() never lets a row of a newer run come below one of an older run", () => {
  const deeper = fc.array(fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 4 }), { maxLength: 3 });
  fc.assert(fc.property(fc.array(runArbitrary, { maxLength: 14 }), deeper, (first, others) => {
    const level0 = first.map(({ sizeBytes, start, span }, i) => ({
      name: `a${i}`,
      sizeBytes,
      keyGroups: { start, end: Math.min(31, start + span) },
      visibleShare: 1,
    }));
    const levels: NamedRun[][] = [level0];
    others.forEach((sizes, at) => {
      levels.push(sizes.map((sizeBytes, i) => ({
        name: `${at}-${i}`,
        sizeBytes,
        keyGroups: { start: i * 8, end: i * 8 + 7 },
        visibleShare: 1,
      })));
    });
    const pick = pickCompaction(levels, RULES);
    if (pick === null) return;
    const taken = new Set(pick.inputs);
    const touches = (run: NamedRun) => pick.inputs.some((other) => intersect(other.keyGroups, run.keyGroups));
    if (pick.outputLevel === 0) {
      const positions = pick.inputs.map((run) => level0.indexOf(run));
      deepEqual(positions, positions.map((_, i) => positions[0]! + i));
      if (pick.dropsDeletes) ok(!levels.slice(1).flat().some(touches));
    } else {
      // All of the output level that shares key groups, and nothing older stays above it.
      ok(levels[pick.outputLevel]?.every((run) => taken.has(run) || !touches(run)) ?? true);
      for (const run of levels.slice(0, pick.outputLevel - 1).flat()) ok(!taken.has(run));
      if (taken.has(level0[0]!)) equal(level0.filter((run) => taken.has(run)).length, level0.length);
      if (pick.dropsDeletes) ok(!levels.slice(pick.outputLevel + 1).flat().some(touches));
    }
  }));
});
