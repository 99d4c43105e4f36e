/**
 * Runs a query of Nexmark over a few events, kills it midway, goes on from the last checkpoint, and compares what it has found
 * with what it must find.
 *
 * Called by: tests of bench/nexmark/.
 * Calls: tests/support/nexmark_batch.ts, tests/support/job_harness.ts.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { NexmarkGenerator } from "../../bench/nexmark/generator.ts";
import { QUERIES } from "../../bench/nexmark/queries.ts";
import { inputsFrom } from "../../bench/nexmark/query.ts";
import { collectSink } from "../../mod.ts";
import { type Build, type ProcessOptions, TestWorld } from "./job_harness.ts";
import { batchOf, EXPECTATIONS } from "./nexmark_batch.ts";
import { pacedSource } from "./paced_source.ts";
import type { BackendKind } from "./plain_backend_kinds.ts";

const COUNT = 3_000;
/** 40 seconds of event time. */
const EVENTS = new NexmarkGenerator({ seed: 11, eventsPerSecond: 75 }).first(COUNT);
/** 42 hours of it. */
const EVENTS_OF_DAYS = new NexmarkGenerator({ seed: 12, eventsPerSecond: 0.02 }).first(COUNT);
const PACE = { count: 100, pauseMs: 5, lingerMs: 0 };
/** Of a query in windows of processing time: a pause longer than a window at the end, and checkpoints accordingly. */
const SLOW_PACE = { count: 100, pauseMs: 400, lingerMs: 20_000 };
const SLOW_CHECKPOINTS = { "execution.checkpointing.interval": 2_000 };

/** Texts of values, sorted, for comparisons in which order does not matter. */
function texts(values: readonly unknown[]): string[] {
  return values.map((value) => JSON.stringify(value)).sort();
}

/** Runs it until half of the events are read, kills it, and runs it to its end from the last checkpoint. */
export async function killMidway(world: TestWorld, build: Build, options: ProcessOptions): Promise<void> {
  const first = await world.start(build, options);
  await first.until(() => {
    const { recordsIn, checkpointsCompleted } = first.job.progress();
    return first.outcome !== null || (recordsIn > COUNT / 2 && checkpointsCompleted > 1);
  });
  equal(first.outcome, null, "it has ended too early");
  first.kill();
  const second = await world.start(build, { ...options, argv: ["--from", "latest"] });
  const outcome = await second.end();
  if (outcome.kind === "failed") throw outcome.error;
  equal(outcome.kind, "ended");
  const again = second.job.progress().recordsIn;
  ok(again > 0 && again < COUNT, `${again} events were read after the restore`);
}

/** Compares a query with its expectation. */
export async function checkQuery(query: string, backend: BackendKind, parallelism: number): Promise<void> {
  const out = collectSink<unknown>();
  const { results, summary, isSlow = false, needsDays = false } = EXPECTATIONS[query]!;
  const events = needsDays ? EVENTS_OF_DAYS : EVENTS;
  const source = pacedSource(events, isSlow ? SLOW_PACE : PACE);
  const build: Build = (env) => QUERIES[query]!(inputsFrom(env, source), out);
  const config = { ...backend.options.config, "parallelism.default": parallelism };
  await killMidway(new TestWorld(isSlow ? SLOW_CHECKPOINTS : {}), build, { ...backend.options, config });
  const expected = results(batchOf(events));
  ok(expected.length > 0, `${query} has nothing to find`);
  deepEqual(
    texts(summary?.(out.values) ?? out.values),
    texts(expected),
    `${query} on ${backend.name} × ${parallelism}`,
  );
}
