/**
 * What do savepoints cost that are taken one after another while a job on `lsm` runs at full speed, and how much longer
 * do they take than beside no records?
 *
 * Run: deno task bench savepoint/under_load
 *
 * Figures: `throughputRatio` of records per second while savepoints follow each other without a pause to without any, and
 * `pacedRatio` with one a second, medians; `idleMs` that a savepoint takes whose records have just ended, so that it
 * writes as much as the others, median; `busyMs` beside records, median; `worstMs` the longest of them; `busyOverIdle`,
 * `worstOverIdle`.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Job, KeyedActor, type SavepointFormat, StreamEnvironment, valueState } from "../mod.ts";
import { inFolder } from "./disk_baselines.ts";
import { bench, median, type SeededRandom } from "./harness.ts";
import { KeySource } from "./key_source.ts";

interface Size {
  readonly keys: number;
  readonly groups: number;
  /** Savepoints of a group without a pause, one after another. */
  readonly perGroup: number;
  /** Savepoints of a group that begin one pace after another. */
  readonly paced: number;
  readonly paceMs: number;
  /** Time without a savepoint that the throughput is compared with, milliseconds. */
  readonly quietMs: number;
}

/** Time after which a source that is held sends no more, milliseconds. */
const HOLD_MS = 50;

/** Counts its messages. */
class Counter extends KeyedActor<string, string, never> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));

  override onMessage(): void {
    this.#count.update(this.#count.value() + 1);
  }
}

const passed = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function environmentIn(folder: string): StreamEnvironment {
  return StreamEnvironment.create({
    argv: [],
    config: {
      "state.backend.type": "lsm",
      "state.backend.lsm.localdir": join(folder, "work"),
      "execution.checkpointing.interval": "1 s",
      "execution.checkpointing.dir": join(folder, "checkpoints"),
      "execution.checkpointing.incremental": true,
      "execution.checkpointing.savepoint-dir": join(folder, "savepoints"),
    },
  });
}

/** Savepoints of a job, with what each took. */
class Savepoints {
  constructor(private readonly job: Job, private readonly folder: string, private readonly format: SavepointFormat) {}

  /** Takes so many, one after another; milliseconds that each took. */
  async take(count: number, paceMs = 0): Promise<number[]> {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const startMs = performance.now();
      await this.job.triggerSavepoint({ format: this.format });
      const elapsedMs = performance.now() - startMs;
      times.push(elapsedMs);
      if (elapsedMs < paceMs) await passed(paceMs - elapsedMs);
    }
    return times;
  }

  /** Deletes them all. */
  clear(): void {
    rmSync(join(this.folder, "savepoints"), { recursive: true });
  }
}

async function underLoad(size: Size, format: SavepointFormat, random: SeededRandom, folder: string) {
  const names = Array.from({ length: size.keys }, (_, i) => `customer-${i}`);
  const source = new KeySource(names, random);
  const env = environmentIn(folder);
  env.fromSource("keys", source).keyBy((key) => key).actor("count", () => new Counter());
  const job = await env.executeAsync("under load");
  const savepoints = new Savepoints(job, folder, format);
  await Promise.race([source.filled, job.result]);
  const quietRate = () => source.rateWhile(() => passed(size.quietMs));
  await quietRate(); // Warm-up.

  const idle: number[] = [];
  const busy: number[] = [];
  const ratios: number[] = [];
  const paced: number[] = [];
  for (let group = 0; group < size.groups; group++) {
    const before = await quietRate();
    const goOn = source.hold();
    await passed(HOLD_MS);
    idle.push(...await savepoints.take(1));
    goOn();
    const dense = await source.rateWhile(async () => busy.push(...await savepoints.take(size.perGroup)));
    const between = await quietRate();
    const spaced = await source.rateWhile(async () => busy.push(...await savepoints.take(size.paced, size.paceMs)));
    const after = await quietRate();
    ratios.push(dense / ((before + between) / 2));
    paced.push(spaced / ((between + after) / 2));
    savepoints.clear();
  }
  job.cancel();
  await job.result;
  return { idle, busy, ratios, paced };
}

for (const format of ["canonical", "native"] as const) {
  bench<Size>(`savepoint/under_load/lsm/${format}`, {
    smoke: { keys: 1_000, groups: 1, perGroup: 2, paced: 1, paceMs: 0, quietMs: 5 },
    full: { keys: 100_000, groups: 5, perGroup: 20, paced: 2, paceMs: 1_000, quietMs: 300 },
    rounds: 1,
    run: (size, random) =>
      inFolder(async (folder) => {
        const { idle, busy, ratios, paced } = await underLoad(size, format, random, folder);
        const idleMs = median(idle);
        const worstMs = Math.max(...busy);
        return {
          ops: busy.length,
          figures: {
            throughputRatio: median(ratios),
            pacedRatio: median(paced),
            idleMs,
            busyMs: median(busy),
            worstMs,
            busyOverIdle: median(busy) / idleMs,
            worstOverIdle: worstMs / idleMs,
          },
        };
      }),
  });
}
