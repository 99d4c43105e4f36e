/**
 * Opens the handles of an operator's keyed state: the one place where what lies between a user's code and the backend
 * is put around a handle.
 *
 * Called by: runtime/operators/keyed_operator.ts (makes it), runtime/actor.ts and operators (open handles).
 * Calls: the state backend, backends/ttl/, runtime/measured_states.ts.
 *
 * Invariants:
 * - a state of which nothing more is asked has the backend's own handle: nothing is added per record.
 *
 * @module
 */
import { TtlStates } from "../backends/ttl/ttl_states.ts";
import type { StateBackend } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import type { StateDescriptor } from "../core/descriptors.ts";
import { StreamError } from "../core/errors.ts";
import { type Key, VOID_NAMESPACE } from "../core/key.ts";
import type { Namespaced } from "../core/state.ts";
import { measured } from "./measured_states.ts";
import type { StateLatency } from "./state_latency.ts";

/** The states of one operator subtask. */
export class KeyedStates {
  /** The handle of a state, by the same overloads as those of a backend. */
  readonly open: StateBackend["state"];
  /** Every state that is declared, by its name. */
  readonly declared: Map<string, StateDescriptor> = new Map();
  /** Undefined as long as no state has a time to live. */
  #ttl: TtlStates | undefined = undefined;
  /** Names of states that live for ever. */
  readonly #lasting = new Set<string>();

  /**
   * @param backend Opened; it has restored what there was.
   * @param clock Tells what is over.
   * @param latency Measures accesses; null measures nothing.
   */
  constructor(
    private readonly backend: StateBackend,
    private readonly clock: Clock,
    private readonly latency: StateLatency | null,
  ) {
    // The handle is of the kind of its descriptor, which is what the overloads say.
    this.open = ((descriptor: StateDescriptor) => this.#open(descriptor)) as StateBackend["state"];
  }

  #open(descriptor: StateDescriptor): Namespaced {
    const handle = descriptor.ttl === undefined ? this.#openLasting(descriptor) : this.#openMortal(descriptor);
    this.declared.set(descriptor.name, descriptor);
    return this.latency === null ? handle : measured(descriptor, handle, this.latency);
  }

  #openLasting(descriptor: StateDescriptor): Namespaced {
    const { name } = descriptor;
    if (this.#ttl?.has(name) === true) refuseBoth(name);
    this.#lasting.add(name);
    return openAny(this.backend, descriptor);
  }

  #openMortal(descriptor: StateDescriptor): Namespaced {
    if (this.#lasting.has(descriptor.name)) refuseBoth(descriptor.name);
    const ttl = this.#ttl ??= new TtlStates(this.backend, () => this.clock.nowMs());
    return openAny(ttl, descriptor);
  }

  /**
   * Calls back for each key that has the state, as the current one, with the state's handle. Of a state with a time to live
   * that may be one whose time is over: the handle shows nothing then.
   */
  applyToAllKeys(descriptor: StateDescriptor, apply: (key: Key, handle: Namespaced) => void): void {
    const handle = this.#open(descriptor);
    const stored = this.#ttl?.storedAs(descriptor.name) ?? descriptor;
    this.backend.applyToAllKeys(stored, VOID_NAMESPACE, (key) => apply(key, handle));
  }

  /** Time has passed since the last slice. */
  beginSlice(): void {
    this.#ttl?.beginSlice();
  }

  /** Between two slices time may pass. @param recordCount Records of the operator so far. */
  endSlice(recordCount: number): void {
    this.#ttl?.endSlice(recordCount);
  }
}

function refuseBoth(name: string): never {
  throw new StreamError(
    "invalid",
    `Cannot declare state "${name}" with a time to live and without one: use one descriptor for both`,
  );
}

/** The handle of a state whose kind is not known here. */
function openAny(backend: Pick<StateBackend, "state">, descriptor: StateDescriptor): Namespaced {
  // One of the overloads takes it, whichever kind it has, and every handle can be told its namespace.
  return (backend.state as (one: StateDescriptor) => Namespaced).call(backend, descriptor);
}
