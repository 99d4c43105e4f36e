/**
 * Decides whether a state may be declared as it is, and what its restored values need; hands out the ids of states.
 *
 * Called by: the state registries of the backends, runtime/stored_state.ts.
 * Calls: core/.
 *
 * @module
 */
import type { StateDescriptor, StateKind } from "../../core/descriptors.ts";
import { messageOf, SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { type Serializer, type SerializerSnapshot, snapshotOf } from "../../core/serializer.ts";
import { StampedSerializer } from "../../core/stamped_value.ts";
import { textOfWriter } from "../../core/state_compatibility.ts";
import { type RunState, STATE_HAS_STAMPS } from "../runs/run_format.ts";

/** State ids take two bytes. */
const MAX_STATES = 65_536;

/** The ids of a backend's states: a state keeps the one it has, a new one takes an id above all others. */
export class StateIds {
  private readonly taken = new Set<number>();
  private next = 0;

  /** Takes an id: the wanted one if it is free. @throws {StreamError} If none is left. */
  take(wanted: number = this.next): number {
    const id = this.taken.has(wanted) ? this.next : wanted;
    if (id >= MAX_STATES) {
      throw new StreamError(
        "invalid",
        `Cannot declare a state: there are ${MAX_STATES} already; use a map state instead`,
      );
    }
    this.taken.add(id);
    this.next = Math.max(this.next, id + 1);
    return id;
  }
}

/** The line of the state table for rows of another owner. */
export function rowsState(id: number, name: string): RunState {
  return { id, name, kind: "rows", serializerId: "", serializerVersion: 0, schemaVersion: 1, flags: 0 };
}

/** @throws {StreamError} If a state of this name is of another kind. */
export function checkKind(descriptor: Pick<StateDescriptor, "kind" | "name">, kind: string): void {
  if (kind === descriptor.kind) return;
  throw new StreamError(
    "invalid",
    `Cannot declare ${descriptor.kind} state "${descriptor.name}": it is ${kind} state already, it must keep its ` +
      `kind; give the new state another name`,
  );
}

/** @throws {StreamError} If a descriptor has a time to live: what a backend gets declared are its stamped values. */
export function refuseTtl({ name, ttl }: Pick<StateDescriptor, "name" | "ttl">): void {
  if (ttl === undefined) return;
  throw new StreamError(
    "invalid",
    `Cannot declare state "${name}": a backend itself knows no time to live; declare it on new TtlStates(backend, …)`,
  );
}

/** @throws {StreamError} If a state that is declared with one serializer is declared with another. */
export function checkSerializer(name: string, declared: Serializer<unknown>, serializer: Serializer<unknown>): void {
  const [known, wanted] = [snapshotOf(declared), snapshotOf(serializer)];
  if (isStamped(declared) !== isStamped(serializer)) {
    throw new StreamError(
      "invalid",
      `Cannot declare state "${name}" ${isStamped(serializer) ? "with" : "without"} a time to live: it is declared ${
        isStamped(declared) ? "with" : "without"
      } one; use one descriptor for both`,
    );
  }
  if (wanted.id === known.id && wanted.version === known.version && wanted.schemaVersion === known.schemaVersion) {
    return;
  }
  throw new StreamError(
    "invalid",
    `Cannot declare state "${name}" with ${textOfWriter(wanted)}: it is declared with ${
      textOfWriter(known)
    }; use one ` +
      `descriptor for both`,
  );
}

/** The serializer that wrote the values of a state. */
export function writerOf({ serializerId, serializerVersion, schemaVersion }: RunState): SerializerSnapshot {
  return { id: serializerId, version: serializerVersion, schemaVersion };
}

/** The line of the state table for a state whose values `serializer` writes. */
export function formatOf(id: number, name: string, kind: StateKind, serializer: Serializer<unknown>): RunState {
  const { id: serializerId, version: serializerVersion, schemaVersion } = snapshotOf(serializer);
  const flags = isStamped(serializer) ? STATE_HAS_STAMPS : 0;
  return { id, name, kind, serializerId, serializerVersion, schemaVersion, flags };
}

function isStamped(serializer: Serializer<unknown>): boolean {
  return serializer instanceof StampedSerializer;
}

/** Names a restored state in errors. */
export function restoredStateName(name: string, operatorName: string): string {
  return `state "${name}" of operator "${operatorName}"`;
}

/** Where a value that could not be migrated belongs. */
export interface FailedMigration {
  /** See {@link restoredStateName}. */
  readonly where: string;
  /** Absent for state without keys. */
  readonly key?: Key;
  readonly from: SerializerSnapshot;
  readonly to: SerializerSnapshot;
}

/** The error for a value that is whole, but that the program cannot bring up to the format of today. */
export function migrationFailure(cause: unknown, { where, key, from, to }: FailedMigration): StreamError {
  const at = key === undefined ? "" : ` at key ${textOfKey(key)}`;
  return new StreamError(
    "invalid",
    `Cannot migrate ${where}${at} from ${textOfWriter(from)} to ${textOfWriter(to)}: ` +
      `${messageOf(cause)}; the snapshot is as it was, correct the program and restore from it again`,
    { cause },
  );
}

function textOfKey(key: Key): string {
  const text = JSON.stringify(key, (_name, part) => {
    if (typeof part === "bigint") return `${part}n`;
    return part instanceof Uint8Array ? [...part.subarray(0, 32)] : part;
  });
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** Refuses a state that has the name of an owner of rows, or the other way round. */
export function refuseTaken(name: string): never {
  throw new StreamError(
    "invalid",
    `Cannot declare state "${name}": the name belongs to the timers of this operator; choose another name`,
  );
}

/** @throws {StreamError} If a restored state is of another kind elsewhere. @param path The file that says `kind`. */
export function checkRestoredKind(name: string, known: string, kind: string, path: string): void {
  if (known === kind) return;
  throw new StreamError(
    "invalid",
    `Cannot restore state "${name}": it is of kind ${known} in one snapshot and ${kind} in "${path}"; restore from ` +
      `snapshots of one job`,
  );
}

/** Whether the values of two states are written alike. */
export function sameFormat(left: RunState, right: RunState): boolean {
  return left.serializerId === right.serializerId && left.serializerVersion === right.serializerVersion &&
    left.schemaVersion === right.schemaVersion && left.flags === right.flags;
}

/**
 * Runs of one handle are merged by row key, so a state must have the same id in all of them.
 *
 * @param runs Oldest first.
 * @throws {SnapshotCorruptError} If it has not.
 */
export function checkSameIds(runs: readonly { readonly path: string; readonly states: readonly RunState[] }[]): void {
  const names = new Map<number, string>();
  for (const run of runs) {
    for (const { id, name } of run.states) {
      const known = names.get(id);
      if (known !== undefined && known !== name) {
        const reason = `state ${id} is "${name}" here and "${known}" in an older run of the same snapshot`;
        throw new SnapshotCorruptError(run.path, { reason });
      }
      names.set(id, name);
    }
  }
}
