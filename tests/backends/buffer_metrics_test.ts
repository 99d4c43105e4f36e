/** What each state has in the write buffers that all states share, under the names of mem tables. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { BUFFER_STATE_METRICS, BUFFER_STORE_METRICS, BufferMetrics } from "../../backends/embedded/buffer_metrics.ts";
import { BufferedRows } from "../../backends/embedded/buffered_rows.ts";
import { deleteRow, putRow, RowsRig } from "../contracts/rows_rig.ts";
import { Gauges } from "../support/gauges.ts";
import { MAPS, type RowName, rowOf, VALUES } from "../support/sample_rows.ts";

/** Bytes of a row's header. */
const HEADER = 24;

const value = (i: number) => rowOf(i % 8, VALUES, `key-${i}`);
const entry = (i: number) => rowOf(1, MAPS, "map", `e${i}`);

function padded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

/** Memory of a row. */
function sizeOf({ key }: RowName, valueBytes: number): number {
  return HEADER + padded(key.length) + padded(valueBytes);
}

/** Rows with all metrics of two states. */
async function open(rig: RowsRig) {
  const rows = await rig.open();
  if (!(rows instanceof BufferedRows)) throw new TypeError("the rig makes no other rows");
  const gauges = new Gauges();
  const metrics = new BufferMetrics([...BUFFER_STATE_METRICS, ...BUFFER_STORE_METRICS, "bytes-read"], gauges, false);
  for (const name of ["values", "maps"]) metrics.reportState(name);
  const state = { serializerId: "bytes", serializerVersion: 1, schemaVersion: 1, flags: 0 } as const;
  metrics.use(rows, () => [
    { ...state, id: VALUES, name: "values", kind: "value" },
    { ...state, id: MAPS, name: "maps", kind: "map" },
    // A former format of it, without rows.
    { ...state, id: 7, name: "maps", kind: "map" },
  ]);
  /** Of both, in this order, in a turn of its own. */
  const read = async (name: string) => {
    await Promise.resolve();
    return ["values", "maps"].map((one) => gauges.read(`${one}.rocksdb.${name}`));
  };
  return { rows, gauges, read };
}

function rig(): RowsRig {
  return new RowsRig({
    open: (parts) => new BufferedRows({ operatorName: "totals", backendName: "lsm", ...parts }),
  }, 1 << 17);
}

test("BufferMetrics reports what write buffers have, and nothing else", async () => {
  await using opened = rig();
  const { gauges } = await open(opened);
  const ofState = BUFFER_STATE_METRICS.map((name) => `rocksdb.${name}`);
  const all = [...ofState.flatMap((name) => [`values.${name}`, `maps.${name}`]), "rocksdb.stall-micros"];
  deepEqual(gauges.names(), all.sort());
});

test("BufferMetrics counts entries, deletes and bytes of each state in the buffers that they share", async () => {
  await using opened = rig();
  const { rows, read } = await open(opened);
  for (let i = 0; i < 10; i++) putRow(rows, value(i), "12345");
  for (const i of [3, 4, 50]) deleteRow(rows, value(i));
  for (let i = 0; i < 4; i++) putRow(rows, entry(i), "1");
  const values = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].reduce((sum, i) => sum + sizeOf(value(i), 5), sizeOf(value(50), 0));
  const group = rowOf(1, MAPS, "map");
  const maps = [0, 1, 2, 3].reduce((sum, i) => sum + sizeOf(entry(i), 1), sizeOf(group, 0));
  deepEqual(await read("num-entries-active-mem-table"), [11, 4]);
  deepEqual(await read("num-deletes-active-mem-table"), [3, 0]);
  deepEqual(await read("cur-size-active-mem-table"), [values, maps]);
  deepEqual(await read("num-immutable-mem-table"), [0, 0]);
  deepEqual(await read("mem-table-flush-pending"), [0, 0]);

  rows.clear(group.key, group.prefixBytes);
  putRow(rows, entry(1), "1");
  deepEqual(await read("num-entries-active-mem-table"), [11, 2]);
  deepEqual(await read("num-deletes-active-mem-table"), [3, 1]);
  deepEqual(await read("cur-size-active-mem-table"), [values, maps], "those that are dead take room still");

  rows.freezeActive();
  putRow(rows, value(1), "w");
  deepEqual(await read("num-entries-active-mem-table"), [1, 0]);
  deepEqual(await read("num-entries-imm-mem-tables"), [11, 2]);
  deepEqual(await read("num-deletes-imm-mem-tables"), [3, 1]);
  deepEqual(await read("cur-size-active-mem-table"), [sizeOf(value(1), 1), 0]);
  deepEqual(await read("cur-size-all-mem-tables"), [values + sizeOf(value(1), 1), maps]);
  deepEqual(await read("num-immutable-mem-table"), [1, 1]);

  rows.freezeActive();
  deepEqual(await read("num-immutable-mem-table"), [2, 1], "a buffer without rows of a state is none of its own");
  deepEqual(await read("mem-table-flush-pending"), [1, 1]);

  opened.settle();
  deepEqual(await read("mem-table-flush-pending"), [0, 0]);
  deepEqual(await read("cur-size-all-mem-tables"), [0, 0]);
  deepEqual(await read("size-all-mem-tables"), [sizeOf(value(1), 1), 0], "the one that was flushed last is kept");
  rows.dropKept();
  deepEqual(await read("size-all-mem-tables"), [0, 0]);
});

test("BufferMetrics tells how long writers have waited, and whether they wait", async () => {
  await using opened = new RowsRig(
    { open: (parts) => new BufferedRows({ operatorName: "totals", backendName: "lsm", ...parts }) },
    1 << 17,
    2,
  );
  const { rows, gauges, read } = await open(opened);
  deepEqual(await read("is-write-stopped"), [0, 0]);
  deepEqual(await read("actual-delayed-write-rate"), [0, 0]);
  for (let i = 0; i < 2; i++) {
    putRow(rows, value(i), "v");
    rows.freezeActive();
    rows.flushOldest();
  }
  deepEqual(await read("is-write-stopped"), [1, 1], "the store is behind");
  equal(gauges.read("rocksdb.stall-micros"), 0);
  const waiting = rows.backpressure();
  const before = opened.clock.monotonicMs();
  opened.settle();
  await waiting;
  const waited = Number(gauges.read("rocksdb.stall-micros"));
  equal(waited > 0 && waited <= (opened.clock.monotonicMs() - before) * 1_000, true, `${waited} µs`);
});
