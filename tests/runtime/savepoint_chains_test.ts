/** Jobs that go on from savepoints and checkpoints of others: changed pipelines, and whole chains of starts. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import type { CompletedCheckpoint } from "../../inspection.ts";
import { type CollectSink, collectSink, KeyedActor, type StreamEnvironment, valueState } from "../../mod.ts";
import {
  checkFinished,
  type Outcome,
  type ProcessOptions,
  TestWorld,
  type WorldConfig,
} from "../support/job_harness.ts";
import { LedgerRuns, parallel } from "../support/ledger_runs.ts";
import { type BackendKind, HEAP, LSM } from "../support/plain_backend_kinds.ts";
import { ValveSource } from "./engine_harness.ts";

const TIMEOUT = { timeout: 60_000 };
const IGNORE = "execution.state-recovery.ignore-unclaimed-state";
const WORDS = Array.from({ length: 30 }, (_, n) => "abc"[n % 3]!);
/** Words before the savepoint. */
const BEFORE = 18;

/** Counts per key, behind what it is given. */
class Count extends KeyedActor<string, string, string> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));
  override onMessage(text: string): void {
    this.#count.update(this.#count.value() + 1);
    this.emit(`${text} ${this.#count.value()}`);
  }
}

interface Shape {
  /** Steps without state in front of each counter. */
  readonly steps: number;
  /** Names of counters, one behind the other. */
  readonly counters: readonly string[];
}

/** A pipeline that is stopped with a savepoint, and then changed. */
class Changing {
  readonly #out: CollectSink<string> = collectSink<string>();
  readonly #world: TestWorld;

  constructor(config: WorldConfig) {
    this.#world = new TestWorld({ "execution.checkpointing.savepoint-dir": "/savepoints", ...config });
  }

  #build({ steps, counters }: Shape, source: ValveSource<string>): (env: StreamEnvironment) => void {
    return (env) => {
      let words = env.fromSource("words", source);
      for (const name of counters) {
        for (let step = 0; step < steps; step++) words = words.map((word) => word).filter(() => true);
        words = words.keyBy((word) => word[0]!).actor(name, () => new Count());
      }
      words.sinkTo("out", this.#out);
    };
  }

  /** Runs the first part of the input. @returns The path of the savepoint. */
  async begin(shape: Shape): Promise<string> {
    const source = new ValveSource([WORDS]);
    source.openTo(BEFORE);
    const process = await this.#world.start(this.#build(shape, source));
    await process.forMs(5);
    equal(source.recordsRead, BEFORE);
    const { path } = await process.settled(process.job.stopWithSavepoint());
    await process.forMs(5);
    return path;
  }

  /** Runs the rest. */
  async finish(shape: Shape, path: string, config: ProcessOptions["config"] = {}): Promise<Outcome> {
    const source = new ValveSource([WORDS]);
    source.finish();
    return await this.#world.run(this.#build(shape, source), { argv: ["--from", path], config });
  }

  check(counts: (before: boolean, nth: number) => string, context: string): void {
    const expected = WORDS.map((word, n) => `${word} ${counts(n < BEFORE, Math.floor(n / 3) + 1)}`);
    deepEqual([...this.#out.values].sort(), expected.sort(), context);
  }
}

for (const parallelism of [1, 3]) {
  test(`a savepoint fits a pipeline with other steps without state, and one with more state, parallelism ${parallelism} [249]`, async () => {
    const one = { steps: 0, counters: ["first"] };
    const changed: [Shape, (before: boolean, nth: number) => string][] = [
      [{ steps: 2, counters: ["first"] }, (_, nth) => `${nth}`],
      // What is new begins to count behind the savepoint.
      [{ steps: 1, counters: ["first", "new"] }, (before, nth) => before ? `${nth}` : `${nth} ${nth - BEFORE / 3}`],
    ];
    for (const [shape, counts] of changed) {
      const pipeline = new Changing(parallel(parallelism));
      const path = await pipeline.begin(one);
      checkFinished(await pipeline.finish(shape, path), JSON.stringify(shape));
      pipeline.check(counts, JSON.stringify(shape));
    }
  });

  test(`a savepoint with state of a step that is gone is refused, unless it may be left behind, parallelism ${parallelism} [249]`, async () => {
    const pipeline = new Changing(parallel(parallelism));
    const path = await pipeline.begin({ steps: 1, counters: ["first", "second"] });
    const left = { steps: 0, counters: ["first"] };
    const refused = await pipeline.finish(left, path);
    ok(refused.kind === "failed");
    match(String(refused.error), /"second".*set execution\.state-recovery\.ignore-unclaimed-state/);
    checkFinished(await pipeline.finish(left, path, { [IGNORE]: true }), "with the flag");
    pipeline.check((before, nth) => before ? `${nth} ${nth}` : `${nth}`, "with the flag");
  });
}

interface Link {
  readonly backend: BackendKind;
  readonly incremental: boolean;
}

const HEAP_INCREMENTS: Link = { backend: HEAP, incremental: true };
const HEAP_FULL: Link = { backend: HEAP, incremental: false };
const LSM_INCREMENTS: Link = { backend: LSM, incremental: true };
const LSM_FULL: Link = { backend: LSM, incremental: false };

/** With a changelog, of which a checkpoint has more than a materialization. */
function logged({ backend }: Link): Link {
  const config = {
    ...backend.options.config,
    "state.changelog.enabled": true,
    "state.changelog.dstl.dfs.preemptive-persist-threshold": "1 kb",
  };
  return { backend: { ...backend, options: { ...backend.options, config } }, incremental: true };
}

const LOGGED_HEAP = logged(HEAP_INCREMENTS);
const LOGGED_LSM = logged(LSM_INCREMENTS);

const CHAINS: Readonly<Record<string, readonly Link[]>> = {
  "heap, full": [HEAP_FULL, HEAP_FULL, HEAP_FULL],
  "heap, increments": [HEAP_INCREMENTS, HEAP_INCREMENTS, HEAP_INCREMENTS],
  "lsm, full": [LSM_FULL, LSM_FULL, LSM_FULL],
  "lsm, increments": [LSM_INCREMENTS, LSM_INCREMENTS, LSM_INCREMENTS],
  "a changelog on and off": [LOGGED_LSM, LOGGED_LSM, LSM_INCREMENTS, LOGGED_HEAP, HEAP_FULL, LOGGED_LSM],
  "each way of all": [LSM_INCREMENTS, LSM_FULL, HEAP_INCREMENTS, HEAP_FULL, LSM_INCREMENTS, HEAP_FULL],
};

/** Every process has a job id, and so a folder, of its own. */
function linked(link: Link, index: number, claimMode: string, path: string | null): ProcessOptions {
  return {
    ...link.backend.options,
    argv: path === null ? [] : ["--from", path],
    config: {
      ...link.backend.options.config,
      ...parallel(1 + index % 3),
      "execution.checkpointing.interval": "1 d",
      "execution.checkpointing.incremental": link.incremental,
      "execution.checkpointing.num-retained": 1,
      "execution.state-recovery.claim-mode": claimMode,
      "pipeline.job-id": String(index).repeat(32),
      "pipeline.max-parallelism": 12,
    },
  };
}

for (const claimMode of ["CLAIM", "NO_CLAIM"]) {
  for (const [name, chain] of Object.entries(CHAINS)) {
    test(
      `a chain of jobs, each from a retained checkpoint of the one before, ends as if undisturbed: ${name}, ${claimMode} [256] [259]`,
      TIMEOUT,
      async () => {
        const runs = new LedgerRuns({}, { perMs: 1 });
        const { fileSystem } = runs.world;
        const paths: string[] = [];
        for (const [index, link] of chain.entries()) {
          const process = await runs.start(linked(link, index, claimMode, paths.at(-1) ?? null));
          await process.until(() => process.job.status().state === "running");
          const taken: CompletedCheckpoint[] = [];
          // The first stands alone, the second is in files that the next may share.
          for (let checkpoint = 0; checkpoint < 4; checkpoint++) {
            await process.forMs(4);
            taken.push(await process.settled(process.job.triggerCheckpoint()));
          }
          await process.forMs(20);
          equal(taken.some((one) => one.incrementBytes < one.fullBytes), link.incremental, `${name}, ${index}`);
          const last = taken.at(-1)!;
          paths.push(last.externalPath);
          process.kill();
          // The one before is the job's own with CLAIM, and gone with the first that took its place.
          const there = paths.map((path) => fileSystem.has(path) && fileSystem.files(path).length > 0);
          deepEqual(there, paths.map((path) => claimMode === "NO_CLAIM" || path === last.externalPath), name);
        }
        const starts = claimMode === "NO_CLAIM" ? [paths.at(-1)!, paths[0]!] : [paths.at(-1)!];
        for (const [nth, path] of starts.entries()) {
          checkFinished(await runs.run(linked(chain[0]!, chain.length + nth, claimMode, path)), `${name} from ${path}`);
          runs.check(`${name} from ${path}`);
        }
      },
    );
  }
}
