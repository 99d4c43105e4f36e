import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { OperatorCheckpoint } from "../../checkpoint/completed_checkpoint.ts";
import { assignState, maxParallelismOf, narrow, type OperatorTarget } from "../../checkpoint/rescaling.ts";
import { keyGroupRangeOf } from "../../core/key_groups.ts";
import type { KeyedStateHandle, ListDistribution, OperatorSnapshot } from "../../core/snapshot.ts";

function target(parallelism: number, changes: Partial<OperatorTarget> = {}): OperatorTarget {
  return { id: "op", name: "Op", parallelism, maxParallelism: 128, maxParallelismIsExplicit: false, ...changes };
}

function handle(start: number, end: number, name: string): KeyedStateHandle {
  const keyGroups = { start, end };
  const file = { scope: "shared" as const, name, sizeBytes: 10 };
  return {
    keyGroups,
    runs: [{ file, level: 0, keyGroups, rowCount: 1, footerCrc32: 0 }],
    nextListNumber: 5,
    incrementBytes: 10,
    fullBytes: 10,
  };
}

function operator(snapshots: (OperatorSnapshot | null)[], maxParallelism = 128): OperatorCheckpoint {
  return {
    id: "op",
    name: "Op",
    parallelism: snapshots.length,
    maxParallelism,
    finished: false,
    subtasks: snapshots.map((snapshot) => ({ finished: false, snapshot })),
  };
}

/** An operator with keyed state on each of `parallelism` subtasks. */
function keyedOperator(parallelism: number, maxParallelism = 128): OperatorCheckpoint {
  const snapshots = Array.from({ length: parallelism }, (_, index) => {
    const { start, end } = keyGroupRangeOf(index, { parallelism, maxParallelism });
    return { keyed: handle(start, end, `file${index}`), lists: {} };
  });
  return operator(snapshots, maxParallelism);
}

function assign(checkpoint: OperatorCheckpoint, parallelism: number) {
  return assignState([checkpoint], [target(parallelism)], { ignoreUnclaimed: false }).get("op")!.subtasks!;
}

const ranges = (handles: readonly KeyedStateHandle[]) =>
  handles.map(({ keyGroups, runs }) =>
    `${runs.map((run) => run.file.scope !== "inline" && run.file.name)}:${keyGroups.start}-${keyGroups.end}`
  );

test("assignState() with 4 → 2 gives each new subtask the handles of its range [58]", () => {
  const subtasks = assign(keyedOperator(4), 2);
  deepEqual(subtasks.map((one) => ranges(one.keyed)), [
    ["file0:0-31", "file1:32-63"],
    ["file2:64-95", "file3:96-127"],
  ]);
});

test("assignState() with 2 → 4 narrows handles and their runs [59, 65]", () => {
  const subtasks = assign(keyedOperator(2), 4);
  deepEqual(subtasks.map((one) => ranges(one.keyed)), [["file0:0-31"], ["file0:32-63"], ["file1:64-95"], [
    "file1:96-127",
  ]]);
  deepEqual(subtasks[1]!.keyed[0]!.runs[0]!.keyGroups, { start: 32, end: 63 });
  equal(subtasks[1]!.keyed[0]!.nextListNumber, 5);
});

test("assignState() with an unchanged parallelism gives back the very handles [60]", () => {
  const checkpoint = keyedOperator(3);
  const subtasks = assign(checkpoint, 3);
  subtasks.forEach((one, index) => equal(one.keyed[0], checkpoint.subtasks[index]!.snapshot!.keyed));
});

test("assignState() covers each key group once, for any pair of parallelisms [58, 59, 61]", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat(), (maxParallelism, a, b) => {
      const from = 1 + a % maxParallelism;
      const to = 1 + b % maxParallelism;
      const subtasks = assign(keyedOperator(from, maxParallelism), to);
      const seen: number[] = [];
      subtasks.forEach(({ keyed }, index) => {
        const own = keyGroupRangeOf(index, { parallelism: to, maxParallelism });
        for (const { keyGroups, runs } of keyed) {
          for (let group = keyGroups.start; group <= keyGroups.end; group++) {
            equal(group >= own.start && group <= own.end, true);
            seen.push(group);
          }
          for (const run of runs) deepEqual(run.keyGroups, keyGroups);
        }
      });
      deepEqual(seen, Array.from({ length: maxParallelism }, (_, group) => group));
    }),
  );
});

test("assignState() of 10 key groups from 3 to 4 and to 2 subtasks [61]", () => {
  deepEqual(assign(keyedOperator(3, 10), 4).map((one) => ranges(one.keyed)), [
    ["file0:0-2"],
    ["file0:3-3", "file1:4-4"],
    ["file1:5-6", "file2:7-7"],
    ["file2:8-9"],
  ]);
  deepEqual(assign(keyedOperator(3, 10), 2).map((one) => ranges(one.keyed)), [
    ["file0:0-3", "file1:4-4"],
    ["file1:5-6", "file2:7-9"],
  ]);
});

test("narrow() drops runs without a key group in the range, and gives null for an empty one [65]", () => {
  const two = handle(0, 9, "a");
  const split = { ...two, runs: [{ ...two.runs[0]!, keyGroups: { start: 0, end: 4 } }, two.runs[0]!] };
  deepEqual(narrow(split, { start: 5, end: 20 })!.runs.map((run) => run.keyGroups), [{ start: 5, end: 9 }]);
  equal(narrow(two, { start: 10, end: 20 }), null);
  equal(narrow(two, { start: 0, end: 127 }), two);
});

const AUTO = { id: "auto", version: 1, schemaVersion: 1 };

function listOperator(distribution: ListDistribution, lists: (number[] | null)[]): OperatorCheckpoint {
  return operator(
    lists.map((items) =>
      items === null ? null : {
        keyed: null,
        lists: {
          list: {
            distribution,
            serializer: AUTO,
            items: items.map((item) => Uint8Array.of(item)),
          },
        },
      }
    ),
  );
}

const dealt = (checkpoint: OperatorCheckpoint, parallelism: number) =>
  assign(checkpoint, parallelism).map(({ lists }) => lists["list"]!.items.map((item) => item[0]));

test("assignState() of lists for 2→3, 2→1 and 2→2 in each distribution [232, 233, 234]", () => {
  const cases: [ListDistribution, number, number[][]][] = [
    ["split", 3, [[1], [2, 3], [4, 5]]],
    ["split", 1, [[1, 2, 3, 4, 5]]],
    ["split", 2, [[1, 2, 3, 4], [5]]],
    ["union", 3, [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]],
    ["union", 1, [[1, 2, 3, 4, 5]]],
    ["union", 2, [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]],
    ["broadcast", 3, [[1, 2, 3, 4], [5], [1, 2, 3, 4]]],
    ["broadcast", 1, [[1, 2, 3, 4]]],
    ["broadcast", 2, [[1, 2, 3, 4], [5]]],
  ];
  for (const [distribution, parallelism, expected] of cases) {
    const old = listOperator(distribution, [[1, 2, 3, 4], [5]]);
    deepEqual(dealt(old, parallelism), expected, `${distribution} 2→${parallelism}`);
  }
});

test("assignState() of a broadcast list works when some subtasks had none [233]", () => {
  deepEqual(dealt(listOperator("broadcast", [null, [7]]), 2), [[7], [7]]);
  deepEqual(dealt(listOperator("broadcast", [null, [7]]), 3), [[7], [7], [7]]);
  deepEqual(dealt(listOperator("broadcast", [null, [7], null, [8]]), 1), [[7]]);
  deepEqual(dealt(listOperator("broadcast", [null, [7], null, [8]]), 6), [[7], [7], [7], [8], [7], [8]]);
});

test("assignState() keeps an empty copy of a broadcast list apart from none at all [233]", () => {
  deepEqual(dealt(listOperator("broadcast", [[], [7]]), 2), [[], [7]]);
  deepEqual(dealt(listOperator("broadcast", [null, [7]]), 2), [[7], [7]]);
});

test("assignState() of lists of all three distributions beside one another, for 2→3, 2→1 and 2→2 [234]", () => {
  const list = (distribution: ListDistribution, ...items: number[]) => ({
    distribution,
    serializer: AUTO,
    items: items.map((item) => Uint8Array.of(item)),
  });
  const old = operator([
    { keyed: null, lists: { s: list("split", 1, 2, 3), u: list("union", 4), b: list("broadcast", 5, 6) } },
    { keyed: null, lists: { u: list("union", 7, 8) } },
  ]);
  const dealtBy = (parallelism: number) =>
    assign(old, parallelism).map(({ lists }) =>
      ["s", "u", "b"].map((name) => lists[name]!.items.map((item) => item[0]).join("")).join(" ")
    );
  deepEqual(dealtBy(3), ["1 478 56", "2 478 56", "3 478 56"]);
  deepEqual(dealtBy(1), ["123 478 56"]);
  deepEqual(dealtBy(2), ["123 478 56", " 478 56"]);
});

test("assignState() of split lists: loads differ by one at most, order and total are kept [232]", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 9 }), (sizes, to) => {
      let next = 0;
      const old = sizes.map((size) => Array.from({ length: size }, () => next++));
      const now = dealt(listOperator("split", old), to);
      deepEqual(now.flat(), old.flat());
      if (to === sizes.length) return deepEqual(now, old);
      const loads = now.map((items) => items.length);
      equal(Math.max(...loads) - Math.min(...loads) <= 1, true);
    }),
  );
});

test("assignState() tells lists of one name apart by who wrote them, and refuses a mixture", () => {
  const [first, second, empty] = listOperator("split", [[1], [2], []]).subtasks.map(({ snapshot }) => snapshot!);
  const withWriter = (snapshot: OperatorSnapshot, version: number): OperatorSnapshot => ({
    ...snapshot,
    lists: { list: { ...snapshot.lists.list!, serializer: { ...AUTO, version } } },
  });
  const lists = [withWriter(empty!, 9), withWriter(first!, 2), withWriter(second!, 2)];
  for (const { lists: { list } } of assign(operator(lists), 2)) deepEqual(list!.serializer, { ...AUTO, version: 2 });
  throws(
    () => assign(operator([withWriter(first!, 1), withWriter(second!, 2)]), 2),
    {
      kind: "invalid",
      message:
        'Cannot restore list "list": subtasks have written it with serializer "auto" version 1, schema version 1 ' +
        'and with serializer "auto" version 2, schema version 1, must have used one; restore from an older snapshot',
    },
  );
});

test("assignState() goes by operator id; a new operator starts without state [237]", () => {
  const assignments = assignState([keyedOperator(1)], [target(1, { id: "new" }), target(1)], {
    ignoreUnclaimed: false,
  });
  equal(assignments.get("new")!.subtasks, null);
  equal(assignments.get("op")!.subtasks!.length, 1);
});

test("assignState() refuses to lose state, unless told to; empty state is no state [237]", () => {
  const none: OperatorTarget[] = [];
  throws(
    () => assignState([keyedOperator(1)], none, { ignoreUnclaimed: false }),
    /"Op" \(op\).*ignore-unclaimed-state/,
  );
  equal(assignState([keyedOperator(1)], none, { ignoreUnclaimed: true }).size, 0);
  for (const empty of [operator([null]), listOperator("split", [[]])]) {
    equal(assignState([empty], none, { ignoreUnclaimed: false }).size, 0);
  }
});

test("maxParallelismOf() takes the checkpoint's, unless the user has set another or needs more [238]", () => {
  const restored = keyedOperator(1, 64);
  equal(maxParallelismOf(target(2), restored), 64);
  equal(maxParallelismOf(target(2), undefined), 128);
  equal(maxParallelismOf(target(2, { maxParallelism: 64, maxParallelismIsExplicit: true }), restored), 64);
  throws(() => maxParallelismOf(target(2, { maxParallelismIsExplicit: true }), restored), /is 128, must be 64/);
  throws(() => maxParallelismOf(target(65), restored), /parallelism is 65, must be at most 64/);
});
