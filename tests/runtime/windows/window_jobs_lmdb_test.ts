/** Whole jobs with windows on the backend that has native code. */
import { test } from "node:test";
import { HEAP, LMDB, LSM } from "../../support/backend_kinds.ts";
import { failMidway, goOn } from "../../support/window_runs.ts";

const TIMEOUT = { timeout: 60_000 };

test("lmdb: each result of windows of every kind comes once though the job fails midway [253]", TIMEOUT, async () => {
  await failMidway(LMDB, 2, { "pipeline.max-parallelism": 12, "execution.checkpointing.timeout": "10 d" });
});

test("windows go on from lmdb on other backends and back, at another parallelism [155, 253]", TIMEOUT, async () => {
  const kinds = [LMDB, HEAP, LMDB, LSM, LMDB];
  const chapters = kinds.map((backend, index) => ({ backend, parallelism: 1 + index % 3, ms: 40 }));
  await goOn(chapters, { "pipeline.max-parallelism": 12, "execution.checkpointing.timeout": "10 d" });
});
