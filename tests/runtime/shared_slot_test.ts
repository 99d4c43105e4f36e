import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import {
  type CollectSink,
  collectSink,
  generator,
  KeyedActor,
  listState,
  mapState,
  type StreamEnvironment,
  valueState,
  watermarks,
} from "../../mod.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { type BackendKind, HEAP, LMDB, LSM, LSM_WITH_HEAP_TIMERS } from "../support/backend_kinds.ts";
import { TestWorld } from "../support/job_harness.ts";
import { parallel } from "../support/ledger_runs.ts";
import { scaled } from "../support/scale.ts";

const RECORDS = 6_000;
const KEYS = 500;
const END_MS = 1_000_000;

/** Keeps each number until its timer, and passes it on then. */
class Delaying extends KeyedActor<number, number, number> {
  readonly #waiting = this.state(listState<number>("waiting"));
  readonly #text = this.state(valueState<string>("text"));

  override onMessage(number: number): void {
    this.#waiting.add(number);
    this.#text.update(`${number}`.padEnd(200, "."));
    this.timers.registerEventTime(number + KEYS);
  }

  override onTimer(timestampMs: number): void {
    for (const number of this.#waiting.get()) if (number + KEYS === timestampMs) this.emit(number);
    this.#waiting.update([...this.#waiting.get()].filter((number) => number + KEYS !== timestampMs));
  }
}

/** Counts numbers by their last digit, and tells at the end. */
class Counting extends KeyedActor<string, number, string> {
  readonly #counts = this.state(mapState<number, number>("counts"));

  override onMessage(number: number): void {
    this.#counts.set(number % 10, (this.#counts.get(number % 10) ?? 0) + 1);
    this.timers.registerEventTime(END_MS);
  }

  override onTimer(): void {
    const counts = [...this.#counts].sort(([left], [right]) => left - right);
    this.emit(`${this.key}: ${counts.map(([digit, count]) => `${digit}×${count}`).join(" ")}`);
  }
}

function build(env: StreamEnvironment, out: CollectSink<string>): void {
  const source = generator({ count: RECORDS, ratePerSecond: 10_000, create: (index) => index });
  env.fromSource("numbers", source, watermarks((number: number) => number).boundedOutOfOrderness(KEYS))
    .keyBy((number) => number % KEYS).actor("delaying", () => new Delaying())
    .keyBy((number) => `k${number % 70}`).actor("counting", () => new Counting())
    .sinkTo("out", out);
}

/** What comes out of an undisturbed run. */
function expected(): readonly string[] {
  const counts = new Map<string, Map<number, number>>();
  for (let number = 0; number < RECORDS; number++) {
    const own = counts.get(`k${number % 70}`) ?? new Map<number, number>();
    counts.set(`k${number % 70}`, own.set(number % 10, (own.get(number % 10) ?? 0) + 1));
  }
  return [...counts].map(([key, own]) =>
    `${key}: ${[...own].sort(([left], [right]) => left - right).map(([digit, count]) => `${digit}×${count}`).join(" ")}`
  ).sort();
}

/** Runs the job on one backend through several kills. @param seed Of times and delays. */
async function survive({ options }: BackendKind, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const world = new TestWorld({
    "execution.checkpointing.interval": 4,
    "execution.checkpointing.max-concurrent-checkpoints": 3,
    "execution.checkpointing.num-retained": 1,
    "pipeline.max-parallelism": 12,
  });
  const out = collectSink<string>();
  let completed = 0;
  for (let life = 0;; life++) {
    ok(life < 20, "the job gets on");
    const process = await world.start((env) => build(env, out), {
      ...options,
      argv: life === 0 ? [] : ["--from", "latest"],
      config: { ...options.config, ...parallel(1 + (life % 3)) },
      delayMs: (_, path) => path.includes("/checkpoints") ? random.next() : 0,
    });
    const enough = 1 + Math.floor(random.next() * 5);
    const hasEnough = () => process.outcome !== null || process.job.progress().checkpointsCompleted >= enough;
    if (life < 4) await process.until(hasEnough);
    if (life < 4 && process.outcome === null) {
      completed += process.job.progress().checkpointsCompleted;
      process.kill();
      continue;
    }
    const outcome = await process.end();
    if (outcome.kind === "failed") throw outcome.error;
    equal(outcome.kind === "ended" && outcome.result.state, "finished");
    await process.forMs(50);
    break;
  }
  ok(completed >= 4, `${completed} checkpoints before the last start`);
  deepEqual([...out.values].sort(), expected());
  equal(world.fileSystem.openCount, 0);
}

for (const backend of [LSM, LMDB, LSM_WITH_HEAP_TIMERS, HEAP]) {
  const name =
    `${backend.name}: two keyed operators in little memory, checkpoints that overlap on a slow disk, kills: nothing is lost`;
  test(name, { timeout: 120_000 }, async () => {
    for (let sample = 0; sample < scaled(1, 20); sample++) await survive(backend, 5 + sample);
  });
}
