/**
 * Measures the process: memory, processor time and jobs, under the names that Flink has for a JVM where the meaning fits.
 *
 * Called by: control/http/metric_routes.ts, control/http/process_routes.ts, control/http/prometheus.ts.
 * Calls: the runtime's figures of the process.
 *
 * @module
 */
import process from "node:process";
import type { MemoryReport } from "../../core/backend_memory.ts";
import type { JobDirectory } from "../job_directory.ts";
import type { NamedValue } from "./metric_values.ts";
import { slotsOf } from "./slots.ts";

/** Id of the only task manager that there is: the process. */
export const WORKER_ID = "local";

/** Memory of the process, bytes. */
export interface ProcessMemory {
  /** Resident, all of it. */
  readonly residentBytes: number;
  /** Of JavaScript objects. */
  readonly heapUsedBytes: number;
  /** Reserved for them. */
  readonly heapCommittedBytes: number;
  /** Buffers outside of that heap. */
  readonly externalBytes: number;
}

/** Memory now. */
export function processMemory(): ProcessMemory {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return { residentBytes: rss, heapUsedBytes: heapUsed, heapCommittedBytes: heapTotal, externalBytes: external };
}

/** Memory for state on disk of all jobs together, bytes. */
export function managedMemory(jobs: JobDirectory): Pick<MemoryReport, "totalBytes" | "usedBytes"> {
  let totalBytes = 0;
  let usedBytes = 0;
  for (const { job } of jobs.all()) {
    const report = job.memoryReport();
    totalBytes += report.totalBytes;
    usedBytes += report.usedBytes;
  }
  return { totalBytes, usedBytes };
}

/** All figures of the process. */
export function processValues(jobs: JobDirectory): NamedValue[] {
  const memory = processMemory();
  const { user, system } = process.cpuUsage();
  const { total, taken, runningJobs } = slotsOf(jobs);
  const managed = managedMemory(jobs);
  return [
    { id: "Status.JVM.Memory.Heap.Used", value: memory.heapUsedBytes },
    { id: "Status.JVM.Memory.Heap.Committed", value: memory.heapCommittedBytes },
    { id: "Status.JVM.Memory.Direct.MemoryUsed", value: memory.externalBytes },
    { id: "Status.Flink.Memory.Managed.Used", value: managed.usedBytes },
    { id: "Status.Flink.Memory.Managed.Total", value: managed.totalBytes },
    { id: "Status.Process.Memory.Resident", value: memory.residentBytes },
    // Flink's are nanoseconds.
    { id: "Status.JVM.CPU.Time", value: (user + system) * 1_000 },
    { id: "numRegisteredTaskManagers", value: 1 },
    { id: "numRunningJobs", value: runningJobs },
    { id: "taskSlotsTotal", value: total },
    { id: "taskSlotsAvailable", value: total - taken },
  ];
}
