/** Whole jobs with windows. Without native code, so that virtual time never runs ahead of promises. */
import { test } from "node:test";
import { SeededRandom } from "../../connectors/contexts.ts";
import { type BackendKind, HEAP, LSM } from "../../support/plain_backend_kinds.ts";
import { scaled } from "../../support/scale.ts";
import { failMidway, goOn } from "../../support/window_runs.ts";

const TIMEOUT = { timeout: 60_000 };
const LSM_WITH_HEAP_TIMERS: BackendKind = {
  name: "lsm with heap timers",
  options: { config: { ...LSM.options.config, "state.backend.lsm.timer-service.factory": "heap" } },
};
const KINDS = [HEAP, LSM, LSM_WITH_HEAP_TIMERS];

/** Parallelism and number of key groups; with many of them each checkpoint of timers on disk takes its time. */
const SIZES = [[1, 1], [3, 128], [2, 32_768]] as const;
const RUNS = [
  { backend: HEAP, incremental: true, sizes: SIZES },
  { backend: HEAP, incremental: false, sizes: SIZES.slice(1, 2) },
  { backend: LSM, incremental: true, sizes: SIZES.slice(0, 2) },
  { backend: LSM, incremental: false, sizes: SIZES.slice(1, 2) },
  { backend: LSM_WITH_HEAP_TIMERS, incremental: true, sizes: SIZES.slice(2) },
];

for (const { backend, incremental, sizes } of RUNS) {
  const how = `${backend.name}, ${incremental ? "increments" : "full checkpoints"}`;
  test(
    `${how}: each result of windows of every kind comes once though the job fails midway [253]`,
    TIMEOUT,
    async () => {
      for (const [parallelism, maxParallelism] of sizes) {
        await failMidway(backend, parallelism, {
          "pipeline.max-parallelism": maxParallelism,
          "execution.checkpointing.incremental": incremental,
        });
      }
    },
  );
}

test(
  "windows go on on another backend at another parallelism, in the middle of all of them [155, 253]",
  TIMEOUT,
  async () => {
    const random = new SeededRandom(17);
    for (let sample = 0; sample < scaled(4, 60); sample++) {
      const chapters = Array.from({ length: 4 }, () => ({
        backend: KINDS[Math.floor(random.next() * KINDS.length)]!,
        parallelism: 1 + Math.floor(random.next() * 5),
        ms: 20 + Math.floor(random.next() * 60),
      }));
      await goOn(chapters, { "pipeline.max-parallelism": 12 });
    }
  },
);
