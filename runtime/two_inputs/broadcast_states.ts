/**
 * The maps of the broadcast state pattern: one side writes them, the other may only look.
 *
 * Called by: the operators beside it.
 * Calls: runtime/operator_states.ts.
 *
 * @module
 */
import type { BroadcastState, BroadcastStateDescriptor, OperatorStateDescriptor } from "../../core/operator_state.ts";
import { OperatorStates, type StatesOwner } from "../operator_states.ts";
import type { BroadcastDeclarations } from "./two_input_functions.ts";

const READ_ONLY =
  "only values of the broadcast stream may, which come to every subtask alike; change it in onBroadcast()";

/** Descriptors as they were declared, in order. */
export function descriptorsOf(declarations: BroadcastDeclarations): readonly OperatorStateDescriptor[] {
  // Only `broadcastState` makes descriptors of this kind.
  return Object.values(declarations) as unknown as readonly BroadcastStateDescriptor<unknown, unknown>[];
}

/** The states of a subtask; shut from the start. */
export function broadcastStates(owner: StatesOwner): OperatorStates {
  const states = new OperatorStates(owner, READ_ONLY);
  states.access.isOpen = false;
  return states;
}

/** Declares the maps, with what was restored; their handles by the names of the declaration. */
export function declareBroadcast<M extends BroadcastDeclarations, H>(states: OperatorStates, declarations: M): H {
  const handles: Record<string, BroadcastState<unknown, unknown>> = {};
  for (const [name, descriptor] of Object.entries(declarations)) {
    // As in `descriptorsOf`.
    handles[name] = states.declare(descriptor as unknown as BroadcastStateDescriptor<unknown, unknown>);
  }
  states.seal();
  return Object.freeze(handles) as H; // made one by one from the declarations of M
}
