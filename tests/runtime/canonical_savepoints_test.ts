/** Canonical savepoints of whole jobs: the same bytes from every backend, also of one that has restored another's. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { decodeMetadata } from "../../checkpoint/metadata_reader.ts";
import type { StreamEnvironment } from "../../control/stream_environment.ts";
import { KeyedActor, listState, mapState, type Source, type SourceOutput, valueState, watermarks } from "../../mod.ts";
import { BACKEND_KINDS, type BackendKind } from "../support/backend_kinds.ts";
import { type TestProcess, TestWorld } from "../support/job_harness.ts";
import { parallel } from "../support/ledger_runs.ts";

const TIMEOUT = { timeout: 60_000 };
const FOLDER = "/savepoints";
const KEYS = 150;
const RECORDS = 3_000;

/** Sends the numbers from 0 on, and waits for ever before `end`. */
class Numbers implements Source<number> {
  readonly boundedness = "unbounded";
  readonly replayable = true;
  readonly maxParallelism = 1;
  constructor(private readonly end: number) {}

  open({ restored }: Parameters<Source<number>["open"]>[0]): ReturnType<Source<number>["open"]> {
    let next = Number(restored?.[0]?.position ?? 0);
    const closed = Promise.withResolvers<void>();
    return {
      read: (output: SourceOutput<number>) => {
        while (next < this.end) if (!output.collect(next, next++)) return "ready";
        return closed.promise;
      },
      position: () => [{ split: "numbers", position: next }],
      close: () => closed.resolve(),
    };
  }
}

/** Has state under names that are not in the order of their declaration, and timers of both kinds. */
class Recorder extends KeyedActor<string, number, never> {
  readonly #seen = this.state(valueState<number>("seen", { default: 0 }));
  readonly #items = this.state(listState<string>("items"));
  readonly #cells = this.state(mapState<number, { at: number }>("Cells"));

  override onMessage(number: number): void {
    this.#seen.update(this.#seen.value() + 1);
    if (number % 5 === 0) this.#items.clear();
    this.#items.add(`${number}`);
    this.#cells.set(number % 7, { at: number });
    if (number % 11 === 0) this.#cells.delete(number % 3);
    this.timers.registerEventTime(1_000_000 + number);
    if (number >= KEYS) this.timers.deleteEventTime(1_000_000 + number - KEYS);
    this.timers.registerProcessingTime(8_000_000_000_000 + number);
  }
}

function build(end: number): (env: StreamEnvironment) => void {
  return (env) =>
    void env.fromSource("numbers", new Numbers(end), watermarks((number: number) => number).monotonous())
      .keyBy((number) => `key-${number % KEYS}`)
      .actor("recorder", () => new Recorder());
}

/** What a savepoint holds: the bytes of each run, by operator and subtask. */
function imageOf(world: TestWorld, path: string): string[] {
  const { operators } = decodeMetadata(world.fileSystem.content(`${path}/_metadata`), path);
  const runs: string[] = [];
  for (const { name, subtasks } of operators) {
    for (const [index, subtask] of subtasks.entries()) {
      for (const { file } of subtask.snapshot?.keyed?.runs ?? []) {
        if (file.scope !== "exclusive") {
          throw new Error(`Cannot tell the file of subtask ${index}: it is ${file.scope}`);
        }
        const bytes = world.fileSystem.content(`${path}/${file.name}`);
        runs.push(`${name} ${index}: ${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`);
      }
    }
  }
  return runs;
}

/** Reads all records, takes a savepoint and stops. */
async function savepointOf(
  world: TestWorld,
  { options }: BackendKind,
  parallelism: number,
  { end, from }: { readonly end: number; readonly from?: string },
): Promise<string> {
  const config = { ...options.config, ...parallel(parallelism) };
  const argv = from === undefined ? [] : ["--from", from];
  // What was read before the savepoint does not count.
  const records = from === undefined ? end : 0;
  const process: TestProcess = await world.start(build(end), { ...options, argv, config });
  await process.until(() => process.job.status().state === "running" && process.job.progress().recordsIn >= records);
  const { path } = await process.settled(process.job.triggerSavepoint({ format: "canonical" }));
  process.job.cancel();
  const outcome = await process.end();
  if (outcome.kind === "failed") throw outcome.error;
  await process.forMs(50);
  return path;
}

function newWorld(): TestWorld {
  return new TestWorld({
    "execution.checkpointing.interval": undefined,
    "execution.checkpointing.dir": undefined,
    "execution.checkpointing.savepoint-dir": FOLDER,
    "pipeline.max-parallelism": 12,
  });
}

for (const parallelism of [1, 2]) {
  test(
    `canonical savepoints of every backend have the same bytes, also of one that goes on from another's, parallelism ${parallelism} [261] [130]`,
    TIMEOUT,
    async () => {
      const images: string[][] = [];
      for (const [i, kind] of BACKEND_KINDS.entries()) {
        const world = newWorld();
        const path = await savepointOf(world, kind, parallelism, { end: RECORDS });
        images.push(imageOf(world, path));
        const next = BACKEND_KINDS[(i + 1) % BACKEND_KINDS.length]!;
        const again = await savepointOf(world, next, parallelism, { end: RECORDS, from: path });
        deepEqual(imageOf(world, again), images[i], `${kind.name}, then ${next.name}`);
        const wider = await savepointOf(world, next, 3, { end: RECORDS, from: again });
        const back = await savepointOf(world, kind, parallelism, { end: RECORDS, from: wider });
        deepEqual(imageOf(world, back), images[i], `${kind.name}, by way of 3 subtasks of ${next.name}`);
      }
      equal(images[0]!.length, parallelism);
      ok(images[0]!.every((run) => run.length > 20_000));
      for (const [i, image] of images.entries()) deepEqual(image, images[0], BACKEND_KINDS[i]!.name);
    },
  );
}
