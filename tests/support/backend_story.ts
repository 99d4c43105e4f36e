/**
 * A job that goes on from its own checkpoints in one process after another, each with a backend and a parallelism of its
 * own, and what must be left in the end.
 *
 * Called by: tests of whole jobs with several backends.
 * Calls: tests/support/job_harness.ts, overwrites_pipeline.ts.
 */
import { deepEqual, equal } from "node:assert/strict";
import { collectSink } from "../../mod.ts";
import { type Outcome, TestWorld, type WorldConfig } from "./job_harness.ts";
import { parallel } from "./ledger_runs.ts";
import { leftovers, overwrites, RECORDS } from "./overwrites_pipeline.ts";
import type { BackendKind } from "./plain_backend_kinds.ts";

const LATEST = ["--from", "latest"];

/** One process of a story. */
export interface Chapter {
  readonly backend: BackendKind;
  readonly parallelism: number;
}

/** Runs the pipeline through all processes, each of which is stopped but the last, and looks at what is left. */
export async function tell(chapters: readonly Chapter[], config: WorldConfig = {}): Promise<void> {
  const world = new TestWorld({ "execution.checkpointing.interval": 50, "pipeline.max-parallelism": 12, ...config });
  const out = collectSink<string>();
  // So slow that what a source may catch up with after a wait (100 ms) is little: there is something left for the last.
  const perMs = 4;
  // By records, not by time: how much a process reads within a time depends on how often its state waits for the disk.
  const recordsEach = Math.floor(RECORDS / chapters.length / 2);
  const story = chapters.map(({ backend, parallelism }) => `${backend.name} × ${parallelism}`).join(" → ");
  for (const [index, { backend, parallelism }] of chapters.entries()) {
    const process = await world.start((env) => overwrites(env, out, perMs), {
      ...backend.options,
      argv: index === 0 ? [] : LATEST,
      config: { ...backend.options.config, ...parallel(parallelism) },
    });
    const isLast = index === chapters.length - 1;
    if (!isLast) {
      await process.until(() => process.job.progress().recordsIn >= recordsEach);
      process.job.stop();
    }
    const outcome: Outcome = await process.end();
    if (outcome.kind === "failed") throw new Error(story, { cause: outcome.error });
    equal(outcome.kind === "ended" && outcome.result.state, isLast ? "finished" : "stopped", story);
    await process.forMs(50);
  }
  deepEqual([...out.values].sort(), leftovers(), story);
  equal(world.fileSystem.openCount, 0, story);
}
