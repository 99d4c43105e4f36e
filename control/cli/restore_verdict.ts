/**
 * Decides whether a pipeline would restore from a snapshot, state by state, with the reasons. Pure: the questions of
 * compatibility come in as a function.
 *
 * Called by: control/restore_check.ts.
 * Calls: checkpoint/rescaling.ts, for what a restore refuses.
 *
 * @module
 */
import type { OperatorCheckpoint } from "../../checkpoint/completed_checkpoint.ts";
import { assignState, type OperatorTarget } from "../../checkpoint/rescaling.ts";
import { messageOf } from "../../core/errors.ts";
import type { SerializerSnapshot } from "../../core/serializer.ts";
import type { NodeKind } from "../../runtime/stream_graph.ts";

/** What would become of a state, or of an operator. */
export type RestoreOutcome =
  /** Read as it is. */
  | "as-is"
  /** Read by `migrate`, or by a serializer that adapts itself. */
  | "migrated"
  /** The snapshot has nothing for it: it starts empty. */
  | "new"
  /** The script does not declare it: it travels on unread. */
  | "kept"
  /** The script has no such operator, and was told that state may be dropped. */
  | "dropped"
  /** It prevents the restore. */
  | "refused";

/** One state. */
export interface StateVerdict {
  readonly name: string;
  /** That of the script, else that of the snapshot. */
  readonly kind: string;
  readonly outcome: RestoreOutcome;
  /** Why, and what to do about it; half a sentence, empty when there is nothing to say. */
  readonly detail: string;
}

/** One operator. */
export interface OperatorVerdict {
  readonly id: string;
  readonly name: string;
  /** `as-is` when it would be restored; what becomes of its states is said of each. */
  readonly outcome: RestoreOutcome;
  readonly detail: string;
  /** In the snapshot and in the script; null where it is not there. */
  readonly parallelism: { readonly from: number | null; readonly to: number | null };
  readonly states: readonly StateVerdict[];
}

/** The answer. */
export interface RestoreVerdict {
  /** Whether nothing is refused. */
  readonly fits: boolean;
  /** In the order of the pipeline; then those that it does not have. */
  readonly operators: readonly OperatorVerdict[];
}

/** A state as a snapshot has it. */
export interface WrittenState {
  readonly name: string;
  /** Of keyed state its kind; else how it is dealt out: split, union or broadcast. */
  readonly kind: string;
  readonly isKeyed: boolean;
  /** Who wrote the values that are left: none when there are none, more than one after a change of the format. */
  readonly writers: readonly SerializerSnapshot[];
}

/** An operator as a snapshot has it. */
export interface WrittenOperator {
  readonly operator: OperatorCheckpoint;
  /** Those that users declare; without timers. */
  readonly states: readonly WrittenState[];
  /** Whether there is anything to lose. */
  readonly hasState: boolean;
}

/** A state as a script declares it. */
export interface DeclaredState {
  readonly name: string;
  readonly kind: string;
  /** What would become of values that `writer` has written. */
  readonly ask: (written: WrittenState, writer: SerializerSnapshot) => {
    readonly outcome: "as-is" | "migrate" | "reconfigured" | "incompatible";
    readonly detail: string;
  };
}

/** An operator as a script declares it. */
export interface DeclaredOperator extends OperatorTarget {
  readonly kind: NodeKind;
  readonly states: readonly DeclaredState[];
}

/** What would become of each state. @param ignoreUnclaimed `execution.state-recovery.ignore-unclaimed-state`. */
export function judgeRestore(
  written: readonly WrittenOperator[],
  declared: readonly DeclaredOperator[],
  { ignoreUnclaimed }: { readonly ignoreUnclaimed: boolean },
): RestoreVerdict {
  const byId = new Map(written.map((one) => [one.operator.id, one]));
  const operators: OperatorVerdict[] = [];
  for (const target of declared) {
    const source = byId.get(target.id);
    byId.delete(target.id);
    if (source !== undefined) operators.push(restoredOperator(source, target, ignoreUnclaimed));
    else if (target.kind !== "stateless" || target.states.length > 0) operators.push(newOperator(target));
  }
  for (const { operator, states, hasState } of byId.values()) {
    if (hasState) operators.push(missingOperator(operator, states, ignoreUnclaimed));
  }
  const fits = operators.every((one) =>
    one.outcome !== "refused" && one.states.every((state) => state.outcome !== "refused")
  );
  return { fits, operators };
}

function newOperator({ id, name, parallelism, states }: DeclaredOperator): OperatorVerdict {
  return {
    id,
    name,
    outcome: "new",
    detail: "it starts without state",
    parallelism: { from: null, to: parallelism },
    states: states.map((state) => newState(state)),
  };
}

function missingOperator(
  { id, name, parallelism }: OperatorCheckpoint,
  states: readonly WrittenState[],
  ignoreUnclaimed: boolean,
): OperatorVerdict {
  return {
    id,
    name,
    outcome: ignoreUnclaimed ? "dropped" : "refused",
    detail: ignoreUnclaimed
      ? "the script has no such operator: its state is lost"
      : "the script has no such operator; give it its former name, or set " +
        "execution.state-recovery.ignore-unclaimed-state to drop its state",
    parallelism: { from: parallelism, to: null },
    states: states.map(({ name: state, kind }) => ({
      name: state,
      kind,
      outcome: ignoreUnclaimed ? "dropped" : "refused",
      detail: "",
    })),
  };
}

function restoredOperator(
  { operator, states }: WrittenOperator,
  target: DeclaredOperator,
  ignoreUnclaimed: boolean,
): OperatorVerdict {
  let refusal: string | null = null;
  try {
    assignState([operator], [target], { ignoreUnclaimed });
  } catch (error) {
    refusal = messageOf(error);
  }
  const byName = new Map(states.map((state) => [state.name, state]));
  const verdicts: StateVerdict[] = [];
  for (const state of target.states) {
    const source = byName.get(state.name);
    byName.delete(state.name);
    verdicts.push(source === undefined ? newState(state) : restoredState(source, state));
  }
  for (const state of byName.values()) verdicts.push(undeclaredState(state, target.kind));
  return {
    id: target.id,
    name: target.name,
    outcome: refusal === null ? "as-is" : "refused",
    detail: refusal ?? "",
    parallelism: { from: operator.parallelism, to: target.parallelism },
    states: verdicts,
  };
}

function newState({ name, kind }: Pick<DeclaredState, "name" | "kind">): StateVerdict {
  return { name, kind, outcome: "new", detail: "it starts empty" };
}

function undeclaredState({ name, kind, isKeyed }: WrittenState, target: NodeKind): StateVerdict {
  if (isKeyed ? target === "keyed" : target === "stateless") {
    return { name, kind, outcome: "kept", detail: "the script does not declare it: it travels on unread" };
  }
  if (!isKeyed && target === "source") {
    return { name, kind, outcome: "kept", detail: "a source declares its state when it is opened: not checked" };
  }
  return { name, kind, outcome: "dropped", detail: "no operator of this kind can have it: it is lost" };
}

function restoredState(source: WrittenState, state: DeclaredState): StateVerdict {
  const { name, kind } = state;
  // Nobody is left to be asked about values, but the kind must fit.
  if (source.writers.length === 0 && source.kind !== kind) {
    const detail = `it is ${source.kind} state there and ${kind} state here; give the new state another name`;
    return { name, kind, outcome: "refused", detail };
  }
  let outcome: RestoreOutcome = "as-is";
  let detail = "";
  for (const writer of source.writers) {
    const answer = state.ask(source, writer);
    if (answer.outcome === "incompatible") {
      return { name, kind, outcome: "refused", detail: answer.detail };
    }
    if (answer.outcome === "as-is") continue;
    outcome = "migrated";
    detail = answer.detail;
  }
  return { name, kind, outcome, detail };
}
