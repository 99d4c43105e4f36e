/**
 * Decides which subtask gets which part of a checkpoint's state.
 *
 * Called by: runtime/ before it starts the subtasks.
 * Calls: core/key_groups.ts, core/state_compatibility.ts; does no I/O.
 *
 * Source: Flink's `StateAssignmentOperation` and `RoundRobinOperatorStateRepartitioner`.
 *
 * Invariants:
 * - every key group of a checkpoint goes to exactly one subtask;
 * - every item of a split list goes to exactly one subtask, of a union list to all of them;
 * - each subtask gets one whole copy of a broadcast list;
 * - with an unchanged parallelism each subtask gets back exactly what it had, but for union lists.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";
import { intersect, type KeyGroupRange, keyGroupRangeOf } from "../core/key_groups.ts";
import type { SerializerSnapshot } from "../core/serializer.ts";
import type { KeyedStateHandle, LogSegment, OperatorList, OperatorSnapshot, RunHandle } from "../core/snapshot.ts";
import { textOfWriter } from "../core/state_compatibility.ts";
import type { OperatorCheckpoint } from "./completed_checkpoint.ts";

/** An operator of the job that is about to start. */
export interface OperatorTarget {
  readonly id: string;
  /** For messages. */
  readonly name: string;
  readonly parallelism: number;
  /** Set by the user, or derived from the parallelism. */
  readonly maxParallelism: number;
  /** The user has set it: another one in the checkpoint is an error instead of taking its place. */
  readonly maxParallelismIsExplicit: boolean;
  /** What state it can take back; any when absent. */
  readonly takes?: TakenState;
}

/** What state an operator of some kind can take back. */
export interface TakenState {
  /** What it is, for messages, for example `a source`. */
  readonly what: string;
  readonly keyed: boolean;
  list(name: string): boolean;
}

/** What one subtask of an operator starts with. */
export interface SubtaskAssignment {
  /** Oldest owner first; runs hold only key groups of this subtask. */
  readonly keyed: readonly KeyedStateHandle[];
  readonly lists: Readonly<Record<string, OperatorList>>;
}

/** What an operator starts with. */
export interface OperatorAssignment {
  /** That of the checkpoint when it holds the operator, else that of the target. */
  readonly maxParallelism: number;
  /** By subtask index. Null when the checkpoint does not hold the operator. */
  readonly subtasks: readonly SubtaskAssignment[] | null;
  /** The operator had finished in the checkpoint. */
  readonly finished: boolean;
}

/** How to deal with state that nobody wants. */
export interface AssignmentOptions {
  /** `execution.state-recovery.ignore-unclaimed-state`. */
  readonly ignoreUnclaimed: boolean;
}

/**
 * Deals the state of a checkpoint out to the operators of a job, by operator id.
 *
 * @returns One assignment for each target, by its id.
 * @throws {StreamError} If the parallelism is above the checkpoint's max parallelism, an explicit max parallelism
 * differs from it, or the checkpoint has state of an operator that is not among the targets, or cannot take it any more.
 */
export function assignState(
  operators: readonly OperatorCheckpoint[],
  targets: readonly OperatorTarget[],
  { ignoreUnclaimed }: AssignmentOptions,
): Map<string, OperatorAssignment> {
  const byId = new Map(operators.map((operator) => [operator.id, operator]));
  const assignments = new Map<string, OperatorAssignment>();
  for (const target of targets) {
    const operator = byId.get(target.id);
    byId.delete(target.id);
    if (operator !== undefined && !ignoreUnclaimed) checkTaken(operator, target);
    const maxParallelism = maxParallelismOf(target, operator);
    assignments.set(target.id, {
      maxParallelism,
      finished: operator?.finished ?? false,
      subtasks: operator === undefined ? null : subtasksOf(operator, target.parallelism, maxParallelism),
    });
  }
  const unclaimed = [...byId.values()].filter(hasState).map(({ name, id }) => `"${name}" (${id})`);
  if (unclaimed.length > 0 && !ignoreUnclaimed) {
    throw new StreamError(
      "invalid",
      `Cannot restore the state of operator ${unclaimed.join(", ")}: the job has no such operator, must have one for ` +
        `all state; give the operator its former name, or set execution.state-recovery.ignore-unclaimed-state ` +
        `(--allow-non-restored-state) to drop it`,
    );
  }
  return assignments;
}

/** @throws {StreamError} If the operator under this name has become one that would forget some of the state. */
function checkTaken({ subtasks }: OperatorCheckpoint, { name, takes }: OperatorTarget): void {
  if (takes === undefined) return;
  for (const { snapshot } of subtasks) {
    if (snapshot === null) continue;
    const list = Object.keys(snapshot.lists).find((one) => snapshot.lists[one]!.items.length > 0 && !takes.list(one));
    const lost = snapshot.keyed !== null && !takes.keyed ? "keyed state" : list === undefined ? null : `list "${list}"`;
    if (lost === null) continue;
    throw new StreamError(
      "invalid",
      `Cannot restore operator "${name}": it is ${takes.what}, must be able to take back the ${lost} that the ` +
        `checkpoint holds under this name; give the new operator another name, or set ` +
        `execution.state-recovery.ignore-unclaimed-state to drop the state`,
    );
  }
}

/**
 * The max parallelism with which an operator must start.
 *
 * @param operator Its part of the checkpoint; undefined when it has none.
 * @throws {StreamError} If target and checkpoint do not go together.
 */
export function maxParallelismOf(target: OperatorTarget, operator: OperatorCheckpoint | undefined): number {
  if (operator === undefined) return target.maxParallelism;
  const restored = operator.maxParallelism;
  if (target.maxParallelismIsExplicit && target.maxParallelism !== restored) {
    throw new StreamError(
      "invalid",
      `Cannot restore operator "${target.name}": its max parallelism is ${target.maxParallelism}, must be ${restored} ` +
        `as in the checkpoint; set it to ${restored} or leave it out`,
    );
  }
  if (target.parallelism > restored) {
    throw new StreamError(
      "invalid",
      `Cannot restore operator "${target.name}": its parallelism is ${target.parallelism}, must be at most ${restored}, ` +
        `the max parallelism in the checkpoint; lower the parallelism`,
    );
  }
  return restored;
}

/**
 * The part of a handle that lies in a range of key groups; null when there is none.
 *
 * The same object when all of it does.
 */
export function narrow(handle: KeyedStateHandle, range: KeyGroupRange): KeyedStateHandle | null {
  const keyGroups = intersect(handle.keyGroups, range);
  if (keyGroups === undefined) return null;
  if (keyGroups.start === handle.keyGroups.start && keyGroups.end === handle.keyGroups.end) return handle;
  const runs: RunHandle[] = [];
  let fullBytes = 0;
  for (const run of handle.runs) {
    const part = intersect(run.keyGroups, keyGroups);
    if (part === undefined) continue;
    runs.push({ ...run, keyGroups: part });
    fullBytes += run.file.sizeBytes;
  }
  const log: LogSegment[] = [];
  for (const segment of handle.log ?? []) {
    const part = intersect(segment.keyGroups, keyGroups);
    if (part === undefined) continue;
    log.push({ ...segment, keyGroups: part });
    fullBytes += segment.file.sizeBytes;
  }
  const { nextListNumber } = handle;
  return { keyGroups, runs, ...(log.length > 0 && { log }), nextListNumber, incrementBytes: 0, fullBytes };
}

function subtasksOf(operator: OperatorCheckpoint, parallelism: number, maxParallelism: number): SubtaskAssignment[] {
  const snapshots = operator.subtasks.map((entry) => entry.snapshot);
  const lists = listsOf(snapshots, parallelism);
  const subtasks: SubtaskAssignment[] = [];
  for (let index = 0; index < parallelism; index++) {
    const range = keyGroupRangeOf(index, { parallelism, maxParallelism });
    const keyed: KeyedStateHandle[] = [];
    for (const snapshot of snapshots) {
      const part = snapshot?.keyed ? narrow(snapshot.keyed, range) : null;
      if (part !== null) keyed.push(part);
    }
    subtasks.push({ keyed, lists: Object.fromEntries(lists.map(([name, dealt]) => [name, dealt[index]!])) });
  }
  return subtasks;
}

/** For each name the list of each new subtask. */
function listsOf(snapshots: readonly (OperatorSnapshot | null)[], parallelism: number): [string, OperatorList[]][] {
  const names = new Set<string>();
  for (const snapshot of snapshots) for (const name of Object.keys(snapshot?.lists ?? {})) names.add(name);
  return [...names].sort().map((name) => {
    const old = snapshots.map((snapshot) => listIn(snapshot, name));
    return [name, deal(old, writerOf(name, old), parallelism)];
  });
}

function listIn(snapshot: OperatorSnapshot | null, name: string): OperatorList | undefined {
  return snapshot !== null && Object.hasOwn(snapshot.lists, name) ? snapshot.lists[name] : undefined;
}

/** Who wrote the items of a list. @throws {StreamError} If not all subtasks did it in the same way: no reader is right. */
function writerOf(name: string, old: readonly (OperatorList | undefined)[]): SerializerSnapshot {
  const present = old.filter((list) => list !== undefined);
  const writers = present.filter(({ items }) => items.length > 0).map(({ serializer }) => serializer);
  const first = writers[0] ?? present[0]?.serializer ?? NO_SERIALIZER;
  const other = writers.find(({ id, version, schemaVersion }) =>
    id !== first.id || version !== first.version || schemaVersion !== first.schemaVersion
  );
  if (other === undefined) return first;
  throw new StreamError(
    "invalid",
    `Cannot restore list "${name}": subtasks have written it with ${textOfWriter(first)} and with ` +
      `${textOfWriter(other)}, must have used one; restore from an older snapshot`,
  );
}

/**
 * Deals one list out.
 *
 * @param old The list of each old subtask; undefined where it had none.
 * @param serializer Who wrote its items.
 * @param parallelism Number of new subtasks.
 */
function deal(
  old: readonly (OperatorList | undefined)[],
  serializer: SerializerSnapshot,
  parallelism: number,
): OperatorList[] {
  const present = old.filter((list) => list !== undefined);
  const distribution = present[0]?.distribution ?? "split";
  const all = old.flatMap((list) => list?.items ?? []);
  const dealt: OperatorList[] = [];
  for (let index = 0; index < parallelism; index++) {
    let items: readonly Uint8Array[];
    if (distribution === "union") {
      items = all;
    } else if (distribution === "broadcast") {
      // Copies are the same, unless the user has made them differ: then a subtask keeps its own.
      items = (old[index] ?? present[index % present.length])?.items ?? [];
    } else if (parallelism === old.length) {
      items = old[index]?.items ?? [];
    } else {
      const share = (i: number) => Math.floor((i * all.length) / parallelism);
      items = all.slice(share(index), share(index + 1));
    }
    dealt.push({ distribution, items, serializer });
  }
  return dealt;
}

/** Of a list that nobody has written. */
const NO_SERIALIZER: SerializerSnapshot = Object.freeze({ id: "auto", version: 1, schemaVersion: 1 });

function hasState({ subtasks }: OperatorCheckpoint): boolean {
  return subtasks.some(({ snapshot }) =>
    snapshot !== null &&
    (snapshot.keyed !== null || Object.values(snapshot.lists).some((list) => list.items.length > 0))
  );
}
