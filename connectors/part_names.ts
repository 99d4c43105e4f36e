/**
 * Names of the files that a file sink makes, and what each means when a job starts.
 *
 * Called by: connectors/file_sink.ts.
 * Calls: core/sink.ts (types).
 *
 *     part-<checkpoint>-<subtask>-<n><extension>           committed: readers may see it
 *     .pending-<checkpoint>-<subtask>-<n>-<id><extension>  durable, waits for its checkpoint to complete
 *     .inprogress-<subtask>-<id><extension>                still written to
 *     .superseded/                                         committed once, taken back by a restore of an older checkpoint
 *
 * @module
 */
import type { SinkStart } from "../core/sink.ts";

/** Folder, within the sink's, for parts that a restore of an older checkpoint has taken back. */
export const SUPERSEDED = ".superseded";

/** What a file name says. */
export type PartName =
  | { readonly kind: "committed" | "pending"; readonly checkpointId: number; readonly subtask: number }
  | { readonly kind: "inprogress"; readonly subtask: number };

/** Name of a file that is being written. @param id Unique for ever. */
export function inProgressName(subtask: number, id: string, extension: string): string {
  return `.inprogress-${subtask}-${id}${extension}`;
}

/** Name of a file that is complete and waits. @param id Unique for ever. */
export function pendingName(checkpointId: number, subtask: number, n: number, id: string, extension: string): string {
  return `.pending-${checkpointId}-${subtask}-${n}-${id}${extension}`;
}

/** Name of a file that readers may see. */
export function partName(checkpointId: number, subtask: number, n: number, extension: string): string {
  return `part-${checkpointId}-${subtask}-${n}${extension}`;
}

const COMMITTED = /^part-(\d+)-(\d+)-\d+(?:\.|$)/;
const PENDING = /^\.pending-(\d+)-(\d+)-\d+-[0-9a-f]+(?:\.|$)/;
const IN_PROGRESS = /^\.inprogress-(\d+)-[0-9a-f]+(?:\.|$)/;

/** Reads a file name; null when it is not a sink's. */
export function parsePartName(name: string): PartName | null {
  const committed = COMMITTED.exec(name);
  if (committed !== null) {
    return { kind: "committed", checkpointId: Number(committed[1]), subtask: Number(committed[2]) };
  }
  const pending = PENDING.exec(name);
  if (pending !== null) return { kind: "pending", checkpointId: Number(pending[1]), subtask: Number(pending[2]) };
  const inProgress = IN_PROGRESS.exec(name);
  return inProgress === null ? null : { kind: "inprogress", subtask: Number(inProgress[1]) };
}

/** What to do with a file when a job starts. */
export type StartDecision = "keep" | "remove" | "supersede" | "refuse";

/**
 * Decides about one file of the folder.
 *
 * A pending file of a checkpoint up to the restored one is kept, because only those that the restored checkpoint
 * names can be there: every start has removed what later checkpoints had prepared.
 *
 * @param parallelism Subtask `i` decides about files of the subtasks that are ≡ i modulo this.
 */
export function decideAtStart(
  name: string,
  start: SinkStart,
  subtaskIndex: number,
  parallelism: number,
): StartDecision {
  const part = parsePartName(name);
  if (part === null || part.subtask % parallelism !== subtaskIndex) return "keep";
  if (part.kind === "inprogress") return "remove";
  if (start.kind !== "restore") return part.kind === "committed" ? "refuse" : "remove";
  if (part.checkpointId <= start.checkpointId) return "keep";
  return part.kind === "committed" ? "supersede" : "remove";
}
