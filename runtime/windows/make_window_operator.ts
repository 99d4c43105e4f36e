/**
 * Chooses the operator for windows: the one that does least.
 *
 * Called by: runtime/windowed_stream.ts.
 * Calls: the operators in this folder.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { Operator, OperatorContext } from "../operator.ts";
import { AlignedOperator } from "./aligned_operator.ts";
import { AlignedWindows, SessionWindows } from "./assigners.ts";
import { SessionOperator } from "./session_operator.ts";
import { WindowOperator } from "./window_operator.ts";
import type { WindowPlan } from "./window_plan.ts";

/**
 * Makes the operator of one subtask.
 *
 * Windows are kept in panes, or as sessions without timers that move, when they fire by their default trigger and have no
 * evictor. Panes of several windows are for folds alone, and for functions that keep nothing per window.
 */
export function makeWindowOperator<I, A, C, O>(
  context: OperatorContext,
  keyOf: (value: I) => Key,
  plan: WindowPlan<I, A, C, O>,
): Operator<I, O> {
  const { assigner, trigger, evictor, folding, step } = plan;
  const isDefault = evictor === null && (trigger === null || trigger === assigner.defaultTrigger());
  if (isDefault && assigner instanceof AlignedWindows) {
    const keepsPerWindow = step.kind === "process" &&
      (step.process.state !== undefined || step.process.clear !== undefined);
    const isShared = assigner.slideMs < assigner.sizeMs;
    if (!isShared || (folding.kind !== "elements" && !keepsPerWindow)) {
      return new AlignedOperator(context, keyOf, plan, assigner);
    }
  }
  if (isDefault && assigner instanceof SessionWindows) {
    // The assigner takes what the stream has.
    return new SessionOperator(context, keyOf, plan, assigner as SessionWindows<I>);
  }
  return new WindowOperator(context, keyOf, plan);
}
