/**
 * What do records notice of a checkpoint? Full snapshots of keyed state on the
 * heap, taken while a source sends as fast as it can.
 *
 * Run: deno task bench checkpoint/beside_records
 *
 * Figures: `longestGapMsP99` and `longestGapMsMedian` between two records within a checkpoint, over all checkpoints;
 * `throughputRatio` of records per second while a checkpoint runs to without; `asyncMs` of a checkpoint; `oneGoMs` that the
 * same snapshot takes with nothing beside it; `asyncOverOneGo`.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { heapBackendFactory, KeyedActor, StreamEnvironment, valueState } from "../mod.ts";
import { backendContext } from "./backend_context.ts";
import { bench, type SeededRandom } from "./harness.ts";
import { KeySource } from "./key_source.ts";

interface Size {
  readonly keys: number;
  readonly checkpoints: number;
  /** Time without a checkpoint that the throughput is compared with, milliseconds. */
  readonly quietMs: number;
}

/** Counts its messages. */
class Counter extends KeyedActor<string, string, never> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));

  override onMessage(): void {
    this.#count.update(this.#count.value() + 1);
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const p99 = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.99) - 1]!;

async function oneGoMs(keys: readonly string[]): Promise<number> {
  const backend = heapBackendFactory.create(backendContext());
  const count = backend.state(valueState<number>("count", { default: 0 }));
  for (const key of keys) {
    backend.setCurrentKey(key);
    count.update(1);
  }
  const file = {
    write: () => Promise.resolve(),
    finish: () => Promise.resolve({ scope: "exclusive" as const, name: "x", sizeBytes: 1 }),
    discard: () => Promise.resolve(),
  };
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const snapshot = backend.snapshot({ checkpointId: i + 1, full: true });
    const startMs = performance.now();
    await snapshot.write({ create: () => Promise.resolve(file) });
    times.push(performance.now() - startMs);
    backend.confirm(i + 1);
  }
  await backend.close();
  return median(times);
}

async function besideRecords({ keys, checkpoints, quietMs }: Size, random: SeededRandom, directory: string) {
  const names = Array.from({ length: keys }, (_, i) => `customer-${i}`);
  const source = new KeySource(names, random);
  const env = StreamEnvironment.create({
    argv: [],
    config: {
      "execution.checkpointing.interval": "1 h",
      "execution.checkpointing.dir": directory,
      "execution.checkpointing.incremental": false,
    },
  });
  env.fromSource("keys", source).keyBy((key) => key).actor("count", () => new Counter());
  const job = await env.executeAsync("beside records");
  await Promise.race([source.filled, job.result]);
  const gaps: number[] = [];
  const asyncs: number[] = [];
  const ratios: number[] = [];
  for (let i = 0; i < checkpoints; i++) {
    const quiet = await source.rateWhile(() => new Promise((resolve) => setTimeout(resolve, quietMs)));
    source.startGaps();
    const busy = await source.rateWhile(() => job.triggerCheckpoint());
    gaps.push(source.longestGapMs);
    ratios.push(busy / quiet);
    asyncs.push(job.checkpoints!.latestCompleted!.subtasks[0]!.asyncMs);
  }
  job.cancel();
  await job.result;
  return { names, gaps, asyncs, ratios };
}

bench<Size>("checkpoint/beside_records/heap", {
  smoke: { keys: 1_000, checkpoints: 2, quietMs: 5 },
  full: { keys: 1_000_000, checkpoints: 20, quietMs: 1_000 },
  rounds: 1,
  async run(size, random) {
    const directory = mkdtempSync(join(tmpdir(), "weir-bench-"));
    try {
      const { names, gaps, asyncs, ratios } = await besideRecords(size, random, directory);
      const oneGo = await oneGoMs(names);
      return {
        ops: size.checkpoints,
        figures: {
          longestGapMsP99: p99(gaps),
          longestGapMsMedian: median(gaps),
          throughputRatio: median(ratios),
          asyncMs: median(asyncs),
          oneGoMs: oneGo,
          asyncOverOneGo: median(asyncs) / oneGo,
        },
      };
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
});
