/**
 * The work whose memory is measured: registers `timers` event-time timers in a store on disk, each of another key, then
 * fires the earliest one after the other and registers it again, later; prints the most memory that it has held.
 *
 *     deno run … bench/memory_timers_job.ts lsm <timers> <registrations> <fires> <folder>
 *
 * Called by: bench/memory_bench.ts, as a process of its own.
 * Calls: disk_backend.ts, timers/.
 *
 * @module
 */
import process from "node:process";
import { VOID_NAMESPACE } from "../core/key.ts";
import { EmbeddedTimerQueue } from "../timers/embedded_timer_queue.ts";
import { type DiskBackend, inTurns, openBackend } from "./disk_backend.ts";
import { MemoryWatch, nameOf } from "./held_memory.ts";

const [kind, ...texts] = process.argv.slice(2) as [DiskBackend, ...string[]]; // memory_bench.ts gives these
const [timers, registrations, fires] = texts.map(Number) as [number, number, number]; // and numbers after it
const folder = texts.at(-1)!;
const watch = new MemoryWatch(folder);
const LOOK_INTERVAL = 2_000;
const CAP_BYTES = 64 * 1024 * 1024;
const MAX_PARALLELISM = 128;
const START_MS = 1_700_000_000_000;
const SPAN_MS = 600_000;

/** Of the timer of a key: spread over ten minutes. */
function timestampOf(key: number): number {
  return START_MS + (Math.imul(key, 0x9e3779b1) >>> 0) % SPAN_MS;
}

const { backend } = await openBackend(kind, { capBytes: CAP_BYTES, folder });
const queue = new EmbeddedTimerQueue({
  name: "timers",
  rows: backend.orderedRows!("timers"),
  maxParallelism: MAX_PARALLELISM,
  keyGroups: { start: 0, end: MAX_PARALLELISM - 1 },
  cacheSize: 128,
});
await inTurns(backend, registrations, (i) => {
  const key = i % timers;
  queue.add(timestampOf(key), nameOf(key), VOID_NAMESPACE);
  if (i % LOOK_INTERVAL === 0) watch.look();
});
watch.lookAtDisk();
await inTurns(backend, fires, (i) => {
  const timer = queue.poll();
  if (timer === null) throw new Error(`Cannot fire timer ${i}: none is left`);
  queue.add(timer.timestampMs + SPAN_MS, timer.key, timer.namespace);
  if (i % LOOK_INTERVAL === 0) watch.look();
});
await backend.close();
watch.print();
