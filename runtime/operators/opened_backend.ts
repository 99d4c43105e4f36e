/**
 * Opens the backend of a keyed operator with what a checkpoint holds for it.
 *
 * Called by: runtime/operators/keyed_operator.ts.
 * Calls: the backend; backends/changelog/, loaded when a checkpoint holds a log.
 *
 * @module
 */
import type { StateBackend } from "../../core/backend.ts";
import { StreamError } from "../../core/errors.ts";
import type { KeyedStateHandle, SnapshotReader } from "../../core/snapshot.ts";
import type { OperatorContext } from "../operator.ts";

/** The backend, open, before any state is declared. @param keep Given it before it is open, to be closed if opening fails. */
export async function openBackend(context: OperatorContext, keep: (backend: StateBackend) => void): Promise<void> {
  const backend = context.backendFactory.create(context);
  keep(backend);
  const { keyed: handles, reader } = context.restore ?? NOTHING_TO_RESTORE;
  await backend.open(await withoutLogs(handles, reader, context), reader);
}

/** A backend restores runs: what checkpoints with a changelog hold besides is turned into runs, whichever backend it is. */
async function withoutLogs(
  handles: readonly KeyedStateHandle[],
  reader: SnapshotReader,
  context: OperatorContext,
): Promise<readonly KeyedStateHandle[]> {
  if (handles.every(({ log }) => log === undefined)) return handles;
  const { replayLogs } = await import("../../backends/changelog/log_replay.ts");
  return await replayLogs(handles, reader, context);
}

/** What a fresh start reads from: it has no handles, so nothing is ever opened. */
const NO_READER: SnapshotReader = {
  open: (): Promise<never> =>
    Promise.reject(new StreamError("invalid", "Cannot read a snapshot: the job has started without one")),
};

const NOTHING_TO_RESTORE = { keyed: [], reader: NO_READER };
