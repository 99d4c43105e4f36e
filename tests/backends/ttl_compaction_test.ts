/** Compaction of the backend `lsm` leaves out what is over. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import { EmbeddedState } from "../../backends/embedded/embedded_state.ts";
import { OverRows } from "../../backends/embedded/over_rows.ts";
import { LivingRows, type MergedRows } from "../../backends/lsm/living_rows.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import { DELETE, PUT, type RowCode } from "../../backends/runs/run_format.ts";
import { TtlTime } from "../../backends/ttl/ttl_time.ts";
import { ByteWriter } from "../../core/bytes.ts";
import { listState, mapState, type StateKind, valueState } from "../../core/descriptors.ts";
import { f64 } from "../../core/serializer.ts";
import { Expiry, Stamped, StampedSerializer } from "../../core/stamped_value.ts";
import { stateTtl, type TtlCleanupOptions } from "../../core/state_ttl.ts";
import { BackendRig } from "../contracts/backend_rig.ts";
import { TTL_MS, ttlStatesOf } from "../contracts/ttl_state.ts";

/** Small enough that flushes and compactions happen within few records. */
const SMALL = { blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 16_384 };
const FACTORY = embeddedBackendFactory(lsmRowStoreFactory(SMALL), {
  memory: { bytes: 1_048_576, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 },
  directory: "/state",
});
const KEYS = Array.from({ length: 200 }, (_, i) => `key-${i}`);
const FILLER = "x".repeat(100);

/** States of which much is over and a little lives, after so many compactions that each row was met. */
async function compacted(rig: BackendRig, cleanup: TtlCleanupOptions) {
  const backend = await rig.open();
  const states = ttlStatesOf(backend, rig);
  const ttl = stateTtl({ time: TTL_MS, cleanup });
  const value = states.state(valueState<string>("value", { ttl }));
  const list = states.state(listState<string>("list", { ttl }));
  const map = states.state(mapState<string, string>("map", { ttl }));
  const lasting = backend.state(valueState<string>("lasting"));
  const flush = async () => {
    await rig.snapshot(backend);
    for (let i = 0; i < 200 && rig.clock.runDeferred() > 0; i++) await rig.clock.settle();
  };
  const write = (count: number, text: string) => {
    for (const key of KEYS.slice(0, count)) {
      backend.setCurrentKey(key);
      value.update(text);
      list.add(text);
      map.set(text, text);
    }
  };
  write(KEYS.length, FILLER);
  await flush();
  rig.clock.advance(60);
  write(10, "alive");
  await flush();
  rig.clock.advance(60);
  for (let round = 0; round < 8; round++) {
    for (const key of KEYS) {
      backend.setCurrentKey(key);
      lasting.update(`${FILLER}${round}`);
    }
    await flush();
  }
  return { backend, value, list, map, lasting };
}

test("compaction removes what is over, list elements and map entries one by one, and nothing else [106]", async () => {
  await using rig = new BackendRig(FACTORY);
  const { backend, value, list, map, lasting } = await compacted(rig, {});
  // The rows as they are.
  const names = { value: valueState("value"), list: listState("list"), map: mapState("map") };
  for (const descriptor of Object.values(names)) equal([...backend.keys(descriptor)].length, 10, descriptor.name);
  const rawList = backend.state(names.list);
  const rawMap = backend.state(names.map);
  for (const [i, key] of KEYS.entries()) {
    backend.setCurrentKey(key);
    const lives = i < 10;
    equal(rawList.get().length, lives ? 1 : 0);
    equal(rawMap.size, lives ? 1 : 0);
    equal(value.value(), lives ? "alive" : null);
    deepEqual(list.get(), lives ? ["alive"] : []);
    deepEqual([...map.keys()], lives ? ["alive"] : []);
    equal(lasting.value(), `${FILLER}7`);
  }
});

test("compaction keeps what is over when it is told to; reads do not see it [106]", async () => {
  await using rig = new BackendRig(FACTORY);
  const { backend, value } = await compacted(rig, { compaction: false });
  equal([...backend.keys(valueState("value"))].length, KEYS.length);
  backend.setCurrentKey(KEYS[20]!);
  equal(value.value(), null);
});

/** A merge of given rows. */
class GivenRows implements MergedRows {
  code: RowCode = PUT;
  key: Uint8Array = new Uint8Array(0);
  keyBytes = 0;
  value: Uint8Array = this.key;
  valueStart = 0;
  valueEnd = 0;

  constructor(private readonly rows: readonly { readonly stateId: number; readonly stampMs: number | null }[]) {}

  private at = 0;

  next(): boolean {
    const row = this.rows[this.at++];
    if (row === undefined) return false;
    this.code = row.stampMs === null ? DELETE : PUT;
    this.key = new Uint8Array([0, 1, 0, row.stateId, this.at]);
    this.keyBytes = this.key.length;
    const out = new ByteWriter();
    if (row.stampMs !== null) SERIALIZER.write(new Stamped(row.stampMs, 1), out);
    this.value = out.copy();
    this.valueEnd = this.value.length;
    return true;
  }

  close(): void {}
}

let nowMs = 0;
const EXPIRY = new Expiry(stateTtl({ time: TTL_MS }), new TtlTime(() => nowMs), () => nowMs);
const SERIALIZER = new StampedSerializer(f64, EXPIRY, false);

function livingRows(rows: GivenRows, dropsDeletes: boolean): string[] {
  const state = (id: number, kind: StateKind) => new EmbeddedState(id, kind, kind, SERIALIZER);
  const over = OverRows.of(
    [state(1, "value"), state(2, "list"), new EmbeddedState(3, "v", "value", f64)],
    "compaction",
  )!;
  const living = new LivingRows(rows, over, dropsDeletes);
  const seen: string[] = [];
  while (living.next()) {
    const code = living.code === PUT ? "put" : "delete";
    seen.push(`${code} ${living.key[3]} of ${living.key[4]}: ${living.valueEnd - living.valueStart}`);
  }
  return seen;
}

test("what is over leaves a delete behind where an older run may have the same key, unless it is a list element [106]", () => {
  nowMs = 200;
  const rows = () =>
    new GivenRows([
      { stateId: 1, stampMs: 100 },
      { stateId: 1, stampMs: 101 },
      { stateId: 2, stampMs: 50 },
      { stateId: 3, stampMs: 50 },
      { stateId: 1, stampMs: null },
      { stateId: 2, stampMs: 150 },
    ]);
  deepEqual(livingRows(rows(), false), [
    "delete 1 of 1: 0",
    "put 1 of 2: 16",
    "put 3 of 4: 16",
    "delete 1 of 5: 0",
    "put 2 of 6: 16",
  ]);
  deepEqual(livingRows(rows(), true), ["put 1 of 2: 16", "put 3 of 4: 16", "delete 1 of 5: 0", "put 2 of 6: 16"]);
});

test("no state that wants it, nothing to ask [106]", () => {
  ok(OverRows.of([new EmbeddedState(1, "v", "value", f64)], "compaction") === undefined);
  const lasting = new Expiry(stateTtl({ time: 1, cleanup: { compaction: false } }), EXPIRY.time, () => 0);
  const state = new EmbeddedState(1, "v", "value", new StampedSerializer(f64, lasting, false));
  equal(OverRows.of([state], "compaction"), undefined);
  ok(OverRows.of([state], "fullSnapshot") !== undefined);
});
