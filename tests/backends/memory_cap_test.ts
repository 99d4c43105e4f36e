/** What is counted of a slot's memory stays within the cap, under state of many times its size. */
import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { BufferedRows } from "../../backends/embedded/buffered_rows.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import { LSM_STATE_METRICS } from "../../backends/lsm/native_metrics.ts";
import { slotCache } from "../../backends/lsm/slot_cache.ts";
import { StoreRig } from "../contracts/store_rig.ts";
import { clearRows, getRow, putRow } from "../contracts/rows_rig.ts";
import { MAPS, rowOf, VALUES } from "../support/sample_rows.ts";
import { scaled } from "../support/scale.ts";

const BLOCK_BYTES = 4_096;

/** Integers below `limit`, the same in every run. */
function numbers(): (limit: number) => number {
  let state = 42;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * limit);
  };
}

/** Rows between two turns of the event loop: in long steps writes flush by themselves. */
for (
  const [stepRows, name, metrics] of [[16, "short", []], [1_024, "long", []], [16, "short", LSM_STATE_METRICS]] as const
) {
  const trees = metrics.length > 0 ? ", a tree for each," : "";
  test(`SlotMemory and BlockCache stay within the cap while ${name} steps fill state${trees} of ten times as much`, async () => {
    const memoryBytes = 1 << 20;
    const options = { blockBytes: BLOCK_BYTES, targetFileBytes: 1 << 20, levelBaseBytes: 1 << 22, metrics };
    await using rig = new StoreRig({ factory: () => lsmRowStoreFactory(options), memoryBytes });
    const { memory, clock } = rig;
    const cache = slotCache(memory, BLOCK_BYTES);
    const store = await rig.open();
    const rows = new BufferedRows({ operatorName: "op", backendName: "lsm", store, memory, clock });
    const random = numbers();
    const keys = 21_000;
    let worst = 0;
    let worstCache = 0;
    for (let i = 0; i < scaled(28_000, 100_000); i++) {
      const key = i < keys ? i : random(keys);
      const isMap = key % 8 === 0;
      const group = key % 128;
      const name = `key-${key}`;
      const row = isMap ? rowOf(group, MAPS, name, `entry-${random(4)}`) : rowOf(group, VALUES, name);
      if (i % 3 === 0) getRow(rows, row);
      if (isMap && random(50) === 0) clearRows(rows, rowOf(group, MAPS, name));
      else putRow(rows, row, "v".repeat(300 + random(400)));
      worst = Math.max(worst, cache.heldBytes + memory.usedBytes);
      worstCache = Math.max(worstCache, cache.heldBytes);
      if (i % stepRows > 0) continue;
      clock.runDeferred();
      await rig.wait(rows.backpressure() ?? Promise.resolve());
    }
    ok(worstCache <= memory.cacheBytes, `${worstCache} bytes of ${memory.cacheBytes} in the cache`);
    // What a flush sorts by is the only thing that is charged when the write share may be full.
    ok(memory.overshootBytes <= memory.writeBytes / 64, `${memory.overshootBytes} bytes above the write share`);
    ok(worst <= memoryBytes, `${worst} bytes`);
    ok(rows.flushCount > 10);
    equal(rows.syncFlushCount > 0, stepRows > 16);
    await rig.wait(rows.close());
  });
}
