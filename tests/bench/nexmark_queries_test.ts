/** The queries of Nexmark against a batch computation, with a kill and a restore in the middle. */
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { QUERIES } from "../../bench/nexmark/queries.ts";
import { EXPECTATIONS } from "../support/nexmark_batch.ts";
import { checkQuery } from "../support/nexmark_runs.ts";
import { HEAP, LSM } from "../support/plain_backend_kinds.ts";

test("every query of Nexmark has an expectation", () => deepEqual(Object.keys(QUERIES), Object.keys(EXPECTATIONS)));

for (const query of Object.keys(QUERIES)) {
  for (const backend of [HEAP, LSM]) {
    test(
      `Nexmark ${query} on ${backend.name} finds what a batch does, at parallelism 1 and 3, though it is killed midway`,
      { timeout: 60_000 },
      async () => {
        for (const parallelism of [1, 3]) await checkQuery(query, backend, parallelism);
      },
    );
  }
}
