/**
 * Runs one query of Nexmark and prints what it took, as one JSON line.
 *
 *     deno run … bench/nexmark/run_query.ts <settings as JSON>
 *
 * Called by: bench/nexmark/main.ts, as a process of its own, so that queries do not disturb each other.
 * Calls: mod.ts, the queries.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fromIterable, generator, type Source, StreamEnvironment } from "../../mod.ts";
import { peakResidentBytes } from "../held_memory.ts";
import { blackhole } from "./blackhole.ts";
import type { NexmarkEvent } from "./events.ts";
import { NexmarkGenerator } from "./generator.ts";
import { MemoryWatch } from "./memory_watch.ts";
import { QUERIES } from "./queries.ts";
import { inputsFrom } from "./query.ts";
import type { QueryFigures, QuerySettings } from "./settings.ts";

/** More events than this are made while they are read: they would not fit into memory. */
const MOST_IN_MEMORY = 10_000_000;

// bench/nexmark/main.ts writes it.
const settings = JSON.parse(process.argv[2]!) as QuerySettings;
const folder = mkdtempSync(join(tmpdir(), "weir-nexmark-"));
try {
  process.stdout.write(`${JSON.stringify(await run())}\n`);
} finally {
  rmSync(folder, { recursive: true });
}

async function run(): Promise<QueryFigures> {
  const { query, events, backend, parallelism, intervalMs } = settings;
  const source = sourceOf();
  const env = StreamEnvironment.create({
    argv: [],
    config: {
      ...settings.config,
      "state.backend.type": backend,
      "parallelism.default": parallelism,
      "execution.checkpointing.interval": `${intervalMs} ms`,
      "execution.checkpointing.dir": join(folder, "checkpoints"),
      // Percentiles are of those in the history.
      "web.checkpoints.history": 1_000,
    },
  });
  const out = blackhole();
  QUERIES[query]!(inputsFrom(env, source), out);
  const startBytes = process.memoryUsage().rss;
  const startMs = performance.now();
  const start = process.cpuUsage();
  const job = await env.executeAsync(query);
  const watch = new MemoryWatch(job, events);
  await job.result;
  const cpu = process.cpuUsage(start);
  const wallSeconds = (performance.now() - startMs) / 1_000;
  const residentBytes = watch.end();
  const cpuSeconds = (cpu.user + cpu.system) / 1e6;
  const { counts, summary: { durationMs, fullBytes } } = job.checkpoints;
  return {
    query,
    backend,
    events,
    streamed: events > MOST_IN_MEMORY,
    results: out.count,
    wallSeconds: round(wallSeconds, 3),
    cpuSeconds: round(cpuSeconds, 3),
    eventsPerSecond: Math.round(events / wallSeconds),
    eventsPerCpuSecond: Math.round(events / cpuSeconds),
    startBytes,
    peakBytes: peakResidentBytes(),
    residentBytes,
    checkpoints: counts.completed,
    checkpointsFailed: counts.failed,
    checkpointP50Ms: counts.completed === 0 ? null : round(durationMs.p50, 1),
    checkpointP99Ms: counts.completed === 0 ? null : round(durationMs.p99, 1),
    largestStateBytes: counts.completed === 0 ? null : fullBytes.max,
  };
}

function sourceOf(): Source<NexmarkEvent> {
  const { events, seed, eventsPerSecond } = settings;
  const made = new NexmarkGenerator({ seed, eventsPerSecond });
  if (events <= MOST_IN_MEMORY) return fromIterable(made.first(events));
  return generator({ count: events, create: (index) => made.eventAt(index) });
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
