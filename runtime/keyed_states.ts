/**
 * Opens the handles of an operator's keyed state: the one place where what lies between a user's code and the backend
 * is put around a handle.
 *
 * Called by: runtime/operators/keyed_operator.ts (makes it), runtime/actor.ts and operators (open handles).
 * Calls: the state backend, runtime/measured_states.ts.
 *
 * Invariants:
 * - a state of which nothing more is asked has the backend's own handle: nothing is added per record.
 *
 * @module
 */
import type { StateBackend } from "../core/backend.ts";
import type { StateDescriptor } from "../core/descriptors.ts";
import type { Namespaced } from "../core/state.ts";
import { measured } from "./measured_states.ts";
import type { StateLatency } from "./state_latency.ts";

/** The states of one operator subtask. */
export class KeyedStates {
  /** The handle of a state, by the same overloads as those of a backend. */
  readonly open: StateBackend["state"];

  /**
   * @param backend Opened; it has restored what there was.
   * @param latency Measures accesses; null measures nothing.
   */
  constructor(private readonly backend: StateBackend, private readonly latency: StateLatency | null) {
    // The handle is of the kind of its descriptor, which is what the overloads say.
    this.open = ((descriptor: StateDescriptor) => this.#open(descriptor)) as StateBackend["state"];
  }

  #open(descriptor: StateDescriptor): Namespaced {
    const handle = openAny(this.backend, descriptor);
    return this.latency === null ? handle : measured(descriptor, handle, this.latency);
  }
}

/** The backend's own handle of a state whose kind is not known here. */
function openAny(backend: StateBackend, descriptor: StateDescriptor): Namespaced {
  // One of the overloads takes it, whichever kind it has, and every handle can be told its namespace.
  return (backend.state as (one: StateDescriptor) => Namespaced).call(backend, descriptor);
}
