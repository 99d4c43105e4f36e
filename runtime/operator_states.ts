/**
 * The states of one operator subtask that belong to no key: declares them, gives them back what a checkpoint has dealt to
 * this subtask, and writes them into snapshots.
 *
 * Called by: runtime/operators/.
 * Calls: runtime/operator_list_handle.ts, runtime/broadcast_handle.ts.
 *
 * Invariants:
 * - a snapshot is bytes when `snapshot` returns: nothing that happens later is in it;
 * - restored states that nobody declares are in every snapshot as they came, each item once among all subtasks.
 *
 * @module
 */
import { auto } from "../core/auto_serializer.ts";
import { StreamError } from "../core/errors.ts";
import type {
  BroadcastState,
  BroadcastStateDescriptor,
  OperatorListState,
  OperatorListStateDescriptor,
  OperatorStateKind,
} from "../core/operator_state.ts";
import type { Serializer } from "../core/serializer.ts";
import type { ListDistribution, OperatorList } from "../core/snapshot.ts";
import { BroadcastHandle } from "./broadcast_handle.ts";
import { NO_LISTS } from "./operator.ts";
import { OperatorListHandle } from "./operator_list_handle.ts";
import { StateAccess, type StoredState } from "./stored_state.ts";

/** What the names of users' lists begin with in a checkpoint; the engine's own lists have no colon. */
const PREFIX = "state:";

/** The name under which a user has declared a list of a checkpoint; null for a list of the engine's own. */
export function userListName(name: string): string | null {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : null;
}

/** Where a set of states belongs. */
export interface StatesOwner {
  readonly operatorName: string;
  readonly subtaskIndex: number;
  /** What the checkpoint holds for this subtask; null at a fresh start. */
  readonly restore: { readonly lists: Readonly<Record<string, OperatorList>> } | null;
}

interface DeclaredState {
  readonly handle: StoredState;
  readonly distribution: ListDistribution;
  readonly serializer: Serializer<unknown>;
}

/** States by name. */
export class OperatorStates {
  /** While it is shut, states can be read but not changed. */
  readonly access: StateAccess;
  readonly #owner: StatesOwner;
  readonly #declared = new Map<string, DeclaredState>();
  /** Restored lists that were not declared yet, by their names in the checkpoint. */
  readonly #restored = new Map<string, OperatorList>();
  #isSealed = false;

  /** @param whyShut What a change is refused with while `access` is not open; default: that no message is in hand. */
  constructor(owner: StatesOwner, whyShut?: string) {
    this.#owner = owner;
    this.access = new StateAccess(owner.operatorName, whyShut);
    for (const [name, list] of Object.entries(owner.restore?.lists ?? {})) {
      if (name.startsWith(PREFIX)) this.#restored.set(name, list);
    }
  }

  /**
   * Makes the handle of a state, or finds it, with what the checkpoint holds.
   *
   * @throws {StreamError} Of kind "invalid" if it is declared otherwise already, or the checkpoint does not go with it.
   */
  declare<T>(descriptor: OperatorListStateDescriptor<T>): OperatorListState<T>;
  /** The same for a broadcast map. */
  declare<K, V>(descriptor: BroadcastStateDescriptor<K, V>): BroadcastState<K, V>;
  declare(
    descriptor: OperatorListStateDescriptor<unknown> | BroadcastStateDescriptor<unknown, unknown>,
  ): OperatorListState<unknown> | BroadcastState<unknown, unknown> {
    const { kind, name } = descriptor;
    if (!isOperatorStateKind(kind)) throw this.#refused("declare", name, keyedKindText(kind));
    const distribution = descriptor.kind === "broadcast" ? "broadcast" : descriptor.distribution;
    const serializer = descriptor.serializer ?? auto<unknown>();
    const known = this.#declared.get(name);
    if (known !== undefined) return this.#same(known, name, distribution, serializer);
    if (this.#isSealed) {
      throw this.#refused(
        "declare",
        name,
        "the operator is open, states must be declared before; declare it in open()",
      );
    }
    const where = `state "${name}"`;
    const handle = descriptor.kind === "broadcast"
      ? new BroadcastHandle<unknown, unknown>(where, serializer, this.access)
      : new OperatorListHandle<unknown>(where, descriptor.distribution, serializer, this.access);
    this.#restoreInto(handle, name, distribution);
    this.#declared.set(name, { handle, distribution, serializer });
    return handle;
  }

  #same(
    { handle, distribution, serializer }: DeclaredState,
    name: string,
    wanted: ListDistribution,
    { id, version, schemaVersion = 1 }: Serializer<unknown>,
  ): OperatorListHandle<unknown> | BroadcastHandle<unknown, unknown> {
    const isSame = distribution === wanted && serializer.id === id && serializer.version === version &&
      (serializer.schemaVersion ?? 1) === schemaVersion;
    if (!isSame) {
      const text = "it is declared already, with another distribution or serializer; use one descriptor for both";
      throw this.#refused("declare", name, text);
    }
    // Only `declare` makes handles: of these two classes, by the distribution.
    return handle as OperatorListHandle<unknown> | BroadcastHandle<unknown, unknown>;
  }

  #restoreInto(handle: StoredState, name: string, distribution: ListDistribution): void {
    const list = this.#restored.get(PREFIX + name);
    if (list === undefined) return;
    if (list.distribution !== distribution) {
      const text = `it is dealt out as "${list.distribution}" in the checkpoint, must be as declared, ` +
        `"${distribution}"; declare it as it was, or under another name`;
      throw this.#refused("restore", name, text);
    }
    handle.restore(list);
    this.#restored.delete(PREFIX + name);
  }

  #refused(action: "declare" | "restore", name: string, text: string): StreamError {
    return new StreamError("invalid", `Cannot ${action} state "${name}" of "${this.#owner.operatorName}": ${text}`);
  }

  /** No state can be declared any more. */
  seal(): void {
    this.#isSealed = true;
    if (this.#owner.subtaskIndex === 0) return;
    // Every subtask was given all items of a union list: one of them carries them on.
    for (const [name, { distribution }] of this.#restored) if (distribution === "union") this.#restored.delete(name);
  }

  /** The lists of a checkpoint; what changes afterwards is not in them. O(size of the states). */
  snapshot(): Readonly<Record<string, OperatorList>> {
    if (this.#declared.size === 0 && this.#restored.size === 0) return NO_LISTS;
    const lists: Record<string, OperatorList> = Object.fromEntries(this.#restored);
    for (const [name, { handle }] of this.#declared) {
      const list = handle.snapshot();
      if (list !== null) lists[PREFIX + name] = list;
    }
    return lists;
  }
}

function isOperatorStateKind(kind: string): kind is OperatorStateKind {
  return kind === "operator-list" || kind === "broadcast";
}

function keyedKindText(kind: string): string {
  return `it is ${kind} state, which belongs to a key, and here is none; use operatorListState() or broadcastState(), or ` +
    `key the stream with keyBy()`;
}
