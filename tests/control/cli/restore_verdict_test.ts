import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import {
  type DeclaredOperator,
  type DeclaredState,
  judgeRestore,
  type WrittenOperator,
  type WrittenState,
} from "../../../control/cli/restore_verdict.ts";
import { takenBy } from "../../../runtime/taken_state.ts";

type Answer = ReturnType<DeclaredState["ask"]>["outcome"];

const AUTO = { id: "auto", version: 1, schemaVersion: 1 };
const OLD = { id: "auto", version: 1, schemaVersion: 0 };

function written(
  id: string,
  states: Partial<WrittenState>[],
  overrides: Partial<WrittenOperator> = {},
): WrittenOperator {
  const operator = { id, name: `op ${id}`, parallelism: 2, maxParallelism: 8, finished: false, subtasks: [] };
  const all = states.map((state) => ({ name: "s", kind: "value", isKeyed: true, writers: [AUTO], ...state }));
  return { operator, states: all, hasState: true, ...overrides };
}

function state(name: string, ...answers: Answer[]): DeclaredState {
  const left = [...answers];
  return { name, kind: "value", ask: () => ({ outcome: left.shift() ?? "as-is", detail: `why ${name}` }) };
}

function declared(id: string, states: DeclaredState[], overrides: Partial<DeclaredOperator> = {}): DeclaredOperator {
  return {
    id,
    name: `op ${id}`,
    parallelism: 2,
    maxParallelism: 8,
    maxParallelismIsExplicit: false,
    kind: "keyed",
    states,
    ...overrides,
  };
}

const KEEP = { ignoreUnclaimed: false };

test("judgeRestore() says of each state what would become of it", () => {
  const cases: [string, Partial<WrittenState>[], DeclaredState[], [string, string][], boolean][] = [
    ["same", [{}], [state("s")], [["s", "as-is"]], true],
    ["migrated", [{}], [state("s", "migrate")], [["s", "migrated"]], true],
    ["reconfigured", [{}], [state("s", "reconfigured")], [["s", "migrated"]], true],
    ["incompatible", [{}], [state("s", "incompatible")], [["s", "refused"]], false],
    [
      "one of two writers",
      [{ writers: [OLD, AUTO] }],
      [state("s", "as-is", "incompatible")],
      [["s", "refused"]],
      false,
    ],
    ["two writers", [{ writers: [OLD, AUTO] }], [state("s", "migrate", "as-is")], [["s", "migrated"]], true],
    ["no values are left", [{ writers: [] }], [state("s", "incompatible")], [["s", "as-is"]], true],
    ["no values, another kind", [{ writers: [], kind: "map" }], [state("s")], [["s", "refused"]], false],
    ["added", [], [state("t")], [["t", "new"]], true],
    ["renamed", [{}], [state("t")], [["t", "new"], ["s", "kept"]], true],
    ["removed", [{}], [], [["s", "kept"]], true],
  ];
  for (const [name, from, to, outcomes, fits] of cases) {
    const verdict = judgeRestore([written("a", from)], [declared("a", to)], KEEP);
    equal(verdict.operators.length, 1, name);
    deepEqual(verdict.operators[0]!.states.map((one) => [one.name, one.outcome]), outcomes, name);
    deepEqual([verdict.fits, verdict.operators[0]!.outcome], [fits, "as-is"], name);
  }
});

test("judgeRestore() gives the reason of a refusal", () => {
  const [operator] = judgeRestore([written("a", [{}])], [declared("a", [state("s", "incompatible")])], KEEP).operators;
  equal(operator!.states[0]!.detail, "why s");
});

test("judgeRestore() of operators: new, removed, removed without state, removed and to be dropped", () => {
  const verdict = (ignoreUnclaimed: boolean, hasState = true) =>
    judgeRestore([written("a", [{}], { hasState })], [declared("b", [state("s")])], { ignoreUnclaimed });
  const outcomes = (one: ReturnType<typeof verdict>) => one.operators.map(({ id, outcome }) => [id, outcome]);
  deepEqual([outcomes(verdict(false)), verdict(false).fits], [[["b", "new"], ["a", "refused"]], false]);
  deepEqual([outcomes(verdict(true)), verdict(true).fits], [[["b", "new"], ["a", "dropped"]], true]);
  deepEqual([outcomes(verdict(false, false)), verdict(false, false).fits], [[["b", "new"]], true]);
  match(verdict(false).operators[1]!.detail, /give it its former name, or set execution.state-recovery/);
  // What keeps no state need not be named.
  equal(judgeRestore([], [declared("b", [], { kind: "stateless" })], KEEP).operators.length, 0);
});

test("judgeRestore() of max parallelism: the rules of a restore", () => {
  const cases: [Partial<DeclaredOperator>, boolean][] = [
    [{ parallelism: 8 }, true],
    [{ parallelism: 9, maxParallelism: 128 }, false],
    [{ maxParallelism: 128 }, true],
    [{ maxParallelism: 128, maxParallelismIsExplicit: true }, false],
    [{ maxParallelism: 8, maxParallelismIsExplicit: true }, true],
  ];
  for (const [target, fits] of cases) {
    const { operators, ...verdict } = judgeRestore([written("a", [{}])], [declared("a", [state("s")], target)], KEEP);
    deepEqual([verdict.fits, operators[0]!.outcome], [fits, fits ? "as-is" : "refused"], JSON.stringify(target));
    if (!fits) match(operators[0]!.detail, /^Cannot restore operator "op a": its (?:max )?parallelism is /);
    deepEqual(operators[0]!.parallelism, { from: 2, to: target.parallelism ?? 2 });
  }
});

test("judgeRestore() refuses an operator that has become one which cannot take its state, unless it may be dropped", () => {
  const snapshot = {
    keyed: { keyGroups: { start: 0, end: 7 }, runs: [], nextListNumber: 0, incrementBytes: 0, fullBytes: 0 },
    lists: {},
  };
  const source = written("a", [{}]);
  const operator = { ...source.operator, parallelism: 1, subtasks: [{ finished: false, snapshot }] };
  const target = declared("a", [], { kind: "sink", takes: takenBy({ kind: "sink", takesLists: false }, false) });
  const refused = judgeRestore([{ ...source, operator }], [target], KEEP);
  deepEqual([refused.fits, refused.operators[0]!.outcome], [false, "refused"]);
  match(refused.operators[0]!.detail, /it is a sink, must be able to take back the keyed state/);
  const dropped = judgeRestore([{ ...source, operator }], [target], { ignoreUnclaimed: true });
  deepEqual([dropped.fits, dropped.operators[0]!.states[0]!.outcome], [true, "dropped"]);
});

test("judgeRestore() of an operator of another kind: keyed state is lost, lists of sources are not known", () => {
  const cases: [boolean, DeclaredOperator["kind"], string][] = [
    [true, "keyed", "kept"],
    [true, "stateless", "dropped"],
    [true, "source", "dropped"],
    [false, "stateless", "kept"],
    [false, "source", "kept"],
    [false, "keyed", "dropped"],
    [false, "sink", "dropped"],
  ];
  for (const [isKeyed, kind, outcome] of cases) {
    const { operators, fits } = judgeRestore([written("a", [{ isKeyed }])], [declared("a", [], { kind })], KEEP);
    deepEqual([operators[0]!.states[0]!.outcome, fits], [outcome, true], `${isKeyed} ${kind}`);
  }
});
