/**
 * Disposes of snapshots on behalf of clients, but for those that a job of this process may need.
 *
 * Called by: control/http/server.ts.
 * Calls: checkpoint/disposal.ts.
 *
 * @module
 */
import { disposeSavepoint } from "../../checkpoint/disposal.ts";
import type { JobPorts } from "../../runtime/job_ports.ts";
import type { JobDirectory } from "../job_directory.ts";
import type { ResolvePath } from "./confinement.ts";

/** Where snapshots are, and the lock of the jobs whose checkpoints are there. */
export type SnapshotFiles = Pick<JobPorts, "fileSystem" | "jobLock">;

/**
 * Disposes of a snapshot, unless a live job may go back to it.
 *
 * @throws {StreamError} If it is none, or is in use.
 */
export function disposalOf(
  { fileSystem, jobLock }: SnapshotFiles,
  jobs: JobDirectory,
  resolvePath: ResolvePath,
): (path: string) => Promise<unknown> {
  return (path) =>
    disposeSavepoint(path, {
      fileSystem,
      jobLock,
      isInUse: async (folder) => {
        const live = jobs.all().filter(({ job }) => jobs.isLive(job.id));
        const needed = await Promise.all(live.flatMap(({ job }) => job.checkpoints.neededPaths).map(resolvePath));
        return needed.includes(await resolvePath(folder));
      },
    });
}
