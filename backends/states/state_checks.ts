/**
 * Decides whether a state may be declared as it is, and what its restored values need; hands out the ids of states.
 *
 * Called by: the state registries of the backends.
 * Calls: core/.
 *
 * @module
 */
import type { StateDescriptor } from "../../core/descriptors.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import type { Serializer, SerializerSnapshot } from "../../core/serializer.ts";
import type { RunState } from "../runs/run_format.ts";

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
export function checkKind(descriptor: StateDescriptor, kind: string): void {
  if (kind === descriptor.kind) return;
  throw new StreamError(
    "invalid",
    `Cannot declare ${descriptor.kind} state "${descriptor.name}": it is ${kind} state already, it must keep its ` +
      `kind; give the new state another name`,
  );
}

/** @throws {StreamError} If a state that is declared with one serializer is declared with another. */
export function checkSerializer(name: string, declared: Serializer<unknown>, serializer: Serializer<unknown>): void {
  const { id, version } = declared;
  if (serializer.id === id && serializer.version === version) return;
  throw new StreamError(
    "invalid",
    `Cannot declare state "${name}" with serializer "${serializer.id}" version ${serializer.version}: it is declared ` +
      `with "${id}" version ${version}; use one descriptor for both`,
  );
}

/** The serializer that wrote the values of a state. */
export function writerOf({ serializerId, serializerVersion, schemaVersion }: RunState): SerializerSnapshot {
  return { id: serializerId, version: serializerVersion, schemaVersion };
}

/** How restored values are to be read. @throws {StreamError} If the serializer cannot read them. */
export function readingOf(name: string, serializer: Serializer<unknown>, written: RunState): "as-is" | "migrate" {
  const previous = writerOf(written);
  const compatibility = serializer.compatibilityWith(previous);
  if (compatibility === "migrate" && serializer.migrate !== undefined) return "migrate";
  if (compatibility === "as-is" || compatibility === "reconfigured") return "as-is";
  throw new StreamError(
    "invalid",
    `Cannot restore state "${name}" with serializer "${serializer.id}" version ${serializer.version}: its values were ` +
      `written by "${previous.id}" version ${previous.version}, which it cannot read; declare the state with a ` +
      `serializer that can, or under another name`,
  );
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

/** @throws {SnapshotCorruptError} If a state of a run has what this program does not know. */
export function checkFlags(state: RunState, path: string): void {
  if (state.flags === 0) return;
  const reason = `state "${state.name}" has a time to live, which this program does not know`;
  throw new SnapshotCorruptError(path, { reason });
}

/** Whether the values of two states are written alike. */
export function sameFormat(left: RunState, right: RunState): boolean {
  return left.serializerId === right.serializerId && left.serializerVersion === right.serializerVersion &&
    left.schemaVersion === right.schemaVersion;
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
