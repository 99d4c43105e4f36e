/**
 * Runs the pipeline with windows of every kind, with failures midway or through several processes.
 *
 * Called by: tests of jobs with windows.
 * Calls: tests/support/windows_pipeline.ts, tests/support/job_harness.ts.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { collectSink, fixedDelay } from "../../mod.ts";
import { TestWorld, type WorldConfig } from "./job_harness.ts";
import type { BackendKind } from "./plain_backend_kinds.ts";
import { COUNT, windowResults, windowsOfAllKinds } from "./windows_pipeline.ts";

const EXPECTED = windowResults();

/** Runs it once, with two failures after which it goes on from its last checkpoint. */
export async function failMidway(backend: BackendKind, parallelism: number, config: WorldConfig): Promise<void> {
  const world = new TestWorld(config);
  const out = collectSink<string>();
  const failAt = new Set([Math.floor(COUNT / 3), Math.floor(COUNT * 2 / 3)]);
  const outcome = await world.run((env) =>
    windowsOfAllKinds(env, out, (n) => {
      if (failAt.delete(n)) throw new Error("midway");
    }), {
    ...backend.options,
    config: { ...backend.options.config, "parallelism.default": parallelism },
    restart: fixedDelay({ attempts: 5, delayMs: 5 }),
  });
  if (outcome.kind === "failed") throw outcome.error;
  equal(failAt.size, 0);
  ok(outcome.kind === "ended" && outcome.result.restarts === 2);
  deepEqual([...out.values].sort(), EXPECTED, `${backend.name} × ${parallelism}, ${JSON.stringify(config)}`);
}

/** One process of a story. */
export interface Chapter {
  readonly backend: BackendKind;
  readonly parallelism: number;
  /** When it is stopped, virtual milliseconds; the last one runs to the end. */
  readonly ms: number;
}

/** Runs it through all processes, each of which goes on from the checkpoint of the one before. */
export async function goOn(chapters: readonly Chapter[], config: WorldConfig): Promise<void> {
  const world = new TestWorld(config);
  const out = collectSink<string>();
  const story = chapters.map(({ backend, parallelism, ms }) => `${backend.name} × ${parallelism}, ${ms} ms`).join(
    " → ",
  );
  for (const [index, { backend, parallelism, ms }] of chapters.entries()) {
    const process = await world.start((env) => windowsOfAllKinds(env, out), {
      ...backend.options,
      argv: index === 0 ? [] : ["--from", "latest"],
      config: { ...backend.options.config, "parallelism.default": parallelism },
    });
    if (index < chapters.length - 1) {
      await process.forMs(ms);
      process.job.stop();
    }
    const outcome = await process.end();
    if (outcome.kind === "failed") throw new Error(story, { cause: outcome.error });
    await process.forMs(50);
  }
  deepEqual([...out.values].sort(), EXPECTED, story);
  equal(world.fileSystem.openCount, 0, story);
}
