/**
 * Decides which completed checkpoints go.
 *
 * Called by: completed_checkpoints.ts, coordinator.ts.
 * Calls: nothing.
 *
 * Source: Flink's `CheckpointSubsumeHelper` and `CheckpointProperties`.
 *
 * @module
 */
import type { CheckpointProperties } from "./checkpoint_properties.ts";
import type { CheckpointRetention } from "./options.ts";

/** What retention looks at. */
export interface RetentionEntry {
  readonly checkpointId: number;
  readonly properties: Pick<CheckpointProperties, "type" | "synchronous">;
}

/** How a job has ended for good, or paused. */
export type JobEnd = "finished" | "cancelled" | "failed" | "suspended";

/**
 * The checkpoints that are no longer retained, oldest first.
 *
 * The latest stays, and so does the newest that is no savepoint, since later increments build on it; unless the
 * latest is a savepoint with which the job stops. The files of a savepoint stay even then: see `ownsFiles`.
 *
 * @param entries By id, ascending.
 * @param retained How many may stay, ≥ 1.
 */
export function subsumedBy<E extends RetentionEntry>(entries: readonly E[], retained: number): E[] {
  const latest = entries.at(-1);
  const stops = latest !== undefined && latest.properties.type === "savepoint" && latest.properties.synchronous;
  const base = stops ? undefined : entries.findLast((entry) => entry.properties.type !== "savepoint");
  const going: E[] = [];
  for (const entry of entries) {
    if (entries.length - going.length <= retained) break;
    if (entry !== latest && entry !== base) going.push(entry);
  }
  return going;
}

/** Whether the files go with the checkpoint. Those of a savepoint are the user's. */
export function ownsFiles({ properties }: RetentionEntry): boolean {
  return properties.type !== "savepoint";
}

/** Whether retained checkpoints stay when the job ends: only a cancelled job can have them deleted. */
export function staysAfter(end: JobEnd, retention: CheckpointRetention): boolean {
  return end !== "cancelled" || retention === "RETAIN_ON_CANCELLATION";
}
