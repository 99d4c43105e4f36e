/**
 * What every backend refuses: keys that are not its own, access without a key, values that no state holds.
 *
 * Called by: the backends and their handles.
 * Calls: core/.
 *
 * @module
 */
import type { SnapshotRequest, StateBackendContext } from "../../core/backend.ts";
import { StreamError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";

/** @throws {StreamError} If the key group of `key` is not the backend's. */
export function checkOwnKey(context: StateBackendContext, key: Key, keyGroup: number): void {
  const { start, end } = context.keyGroups;
  if (keyGroup >= start && keyGroup <= end) return;
  throw new StreamError(
    "invalid",
    `Cannot set key ${
      String(key)
    } in operator "${context.operatorName}": its key group is ${keyGroup}, it must be in ` +
      `${start}..${end}; route records by key group`,
  );
}

/** Says that there is no current key to tell. */
export function refuseCurrentKey(operatorName: string): never {
  throw new StreamError(
    "invalid",
    `Cannot tell the current key of operator "${operatorName}": none is set; ask while a record or a timer is processed`,
  );
}

/** Says that a state was used without a key. @param where Names the state. */
export function refuseNoKey(where: string): never {
  throw new StreamError(
    "invalid",
    `Cannot use ${where}: no key is set, it must be used while a record or timer is processed; move the access into ` +
      `onMessage or onTimer`,
  );
}

/** Says that a closed backend was used. */
export function refuseClosed(operatorName: string): never {
  throw new StreamError("unavailable", `Cannot use the state of operator "${operatorName}": its backend is closed`);
}

/** Says that a closed backend was asked for a snapshot. */
export function refuseSnapshot(operatorName: string): never {
  throw new StreamError("invalid", `Cannot snapshot operator "${operatorName}": its backend is closed`);
}

/** Why the snapshots of a backend that is closed end. */
export function closedReason(): StreamError {
  return new StreamError("unavailable", `Cannot go on with a snapshot: the backend was closed`);
}

/** @throws {TypeError} For null and undefined, which no state holds. @param where Names the state. */
export function checkPresent(value: unknown, where: string): void {
  if (value !== null && value !== undefined) return;
  throw new TypeError(
    `Cannot add ${value} to ${where}: it must be a value; skip it, or call clear() to forget what is stored`,
  );
}

/** @throws {TypeError} For undefined, which no map entry holds. @param where Names the state. */
export function checkEntry(value: unknown, where: string): void {
  if (value !== undefined) return;
  throw new TypeError(
    `Cannot set undefined in ${where}: it must be a value; call delete() to remove the entry`,
  );
}

/** @throws {TypeError} If a snapshot is asked for that cannot be. */
export function checkRequest({ canonical, full }: SnapshotRequest): void {
  if (canonical !== true || full) return;
  throw new TypeError("Cannot take a canonical snapshot that is not full: it stands alone; set full to true");
}
