import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import type { JobView } from "../../inspection.ts";
import { collectSink, fixedDelay, noRestart } from "../../mod.ts";
import { type TestProcess, TestWorld } from "../support/job_harness.ts";
import { ledger } from "../support/ledger_pipeline.ts";
import { SabotageError, Saboteur } from "../support/saboteur.ts";

const COUNT = 300;

/** States in the order in which the job came to them. */
function story({ enteredMs }: JobView): string[] {
  return Object.entries(enteredMs).sort(([, a], [, b]) => a - b).map(([state]) => state);
}

function subtasksOf(process: TestProcess): string[] {
  return process.job.status().vertices.flatMap(({ subtasks }) => subtasks.map(({ state }) => state));
}

test("status() names the job, its vertices, what they read, and when each subtask came to each state", async () => {
  const world = new TestWorld({ "parallelism.default": 3, "pipeline.max-parallelism": 12 });
  const process = await world.start((env) => ledger(env, { count: COUNT }), {
    delayMs: (_, path) => path.includes("/out/") ? 2 : 0,
  });
  const { job } = process;
  const { startedMs } = job.status();
  deepEqual([job.status().state, job.status().endedMs], ["starting", null]);
  await process.until(() => job.status().state === "running");
  const view = job.status();
  equal(view.id, job.id);
  match(view.id, /^[0-9a-f]{32}$/);
  deepEqual([view.name, view.attempt, view.failures, view.endedMs], ["test", 0, [], null]);
  equal(view.enteredMs.starting, startedMs);
  const [entries, pages] = view.vertices;
  deepEqual(view.vertices.map(({ name }) => name), ["entries", "pages → seen → pages-out"]);
  deepEqual([entries!.inputs, pages!.inputs], [[], [{ vertexId: entries!.id, partitioning: "hash" }]]);
  deepEqual(pages!.operators.map(({ name }) => name), ["pages", "seen", "pages-out"]);
  deepEqual([pages!.parallelism, pages!.maxParallelism], [3, 12]);
  deepEqual(pages!.subtasks.map(({ index, state }) => [index, state]), [[0, "running"], [1, "running"], [
    2,
    "running",
  ]]);
  for (const { enteredMs } of pages!.subtasks) ok(enteredMs.created! <= enteredMs.opening!, JSON.stringify(enteredMs));
  // What was handed out never changes.
  const kept = JSON.stringify(view);
  const outcome = await process.end();
  equal(JSON.stringify(view), kept);
  ok(outcome.kind === "ended");
  const last = job.status();
  deepEqual(story(last), ["starting", "running", "finished"]);
  equal(last.endedMs, last.enteredMs.finished);
  deepEqual(new Set(subtasksOf(process)), new Set(["finished"]));
});

test("status() shows the last 16 failures with vertex and subtask, newest first, and counts attempts", async () => {
  const world = new TestWorld({ "parallelism.default": 1 });
  const saboteur = new Saboteur().arm("actor onMessage", 100, 20);
  const process = await world.start((env) => ledger(env, { count: COUNT, saboteur }), {
    restart: fixedDelay({ attempts: 100, delayMs: 5 }),
  });
  await process.until(() => process.job.status().state === "restarting");
  deepEqual(subtasksOf(process), ["failed"]);
  const { failures: [first], vertices: [vertex], attempt } = process.job.status();
  equal(attempt, 0);
  deepEqual(first!.subtask, { vertexId: vertex!.id, vertexName: vertex!.name, index: 0 });
  ok(first!.error.cause instanceof SabotageError);
  equal(first!.atMs, process.job.status().enteredMs.restarting);
  await process.end();
  const view = process.job.status();
  equal(view.failures.length, 16);
  equal(view.attempt, 20);
  ok(view.failures[0]!.atMs > view.failures[15]!.atMs);
  equal(view.state, "finished");
});

test("a failure at any stage is shown where it happened", async () => {
  for (const point of ["source open", "sink commit", "actor onTimer"] as const) {
    const world = new TestWorld({ "parallelism.default": 2 });
    const saboteur = new Saboteur().arm(point);
    const process = await world.start((env) => ledger(env, { count: COUNT, saboteur }), { restart: noRestart() });
    const outcome = await process.end();
    ok(outcome.kind === "failed", point);
    const { failures, state, vertices } = process.job.status();
    equal(state, "failed");
    equal(failures.length, 1, point);
    equal(failures[0]!.error, outcome.error);
    equal(failures[0]!.subtask?.vertexName, vertices[point === "source open" ? 0 : 1]!.name, point);
    ok(subtasksOf(process).every((one) => one === "failed" || one === "cancelled" || one === "finished"), point);
  }
});

test("a job that is cancelled is cancelling until it has ended", async () => {
  const world = new TestWorld();
  const process = await world.start((env) => ledger(env, { count: COUNT }));
  await process.forMs(10);
  process.job.cancel();
  equal(process.job.status().state, "cancelling");
  await process.end();
  deepEqual(story(process.job.status()), ["starting", "running", "cancelling", "cancelled"]);
  deepEqual(subtasksOf(process), ["cancelled"]);
});

test("a job has statistics of checkpoints also when it takes none", async () => {
  const world = new TestWorld({ "execution.checkpointing.interval": undefined });
  const process = await world.start((env) => ledger(env, { count: COUNT, seen: collectSink<number>() }));
  await process.end();
  deepEqual(process.job.checkpoints.counts, {
    total: 0,
    inProgress: 0,
    completed: 0,
    failed: 0,
    givenUp: 0,
    restored: 0,
  });
  deepEqual(world.fileSystem.files("/").filter((path) => !path.startsWith("/out/")), []);
});
