/**
 * What do write buffers cost per access, what does sorting one for its flush cost, and what does a refill of timers cost
 * out of half a million buffered rows?
 *
 * Run: deno task bench write_buffer
 *
 * @module
 */
import { SlotMemory } from "../backends/embedded/slot_memory.ts";
import { BufferedRows } from "../backends/embedded/buffered_rows.ts";
import type { RowStore } from "../backends/embedded/row_store.ts";
import { RowSorter } from "../backends/embedded/row_sorter.ts";
import { SortedBuffer } from "../backends/embedded/sorted_buffer.ts";
import { WriteBuffer } from "../backends/embedded/write_buffer.ts";
import { rowHash } from "../backends/runs/row_hash.ts";
import type { Clock } from "../core/clock.ts";
import { bench, type SeededRandom } from "./harness.ts";

const VALUE_BYTES = 100;
const KEY_BYTES = 14;

/** Never called back: what is measured is memory alone. */
const STILL: Clock = { nowMs: () => 0, monotonicMs: () => 0, schedule: () => () => {}, defer: () => {} };

/** A store that has nothing and gets nothing. */
const EMPTY: RowStore = {
  restore: () => Promise.resolve(),
  get: () => false,
  scan: () => ({
    next: () => false,
    key: new Uint8Array(0),
    keyBytes: 0,
    value: new Uint8Array(0),
    valueStart: 0,
    valueEnd: 0,
    close: () => {},
  }),
  ingest: () => ({ step: () => true, cancel: () => {} }),
  nextWork: () => null,
  isBehind: false,
  freeze: () => {
    throw new Error("Cannot freeze: this bench takes no snapshots");
  },
  confirm: () => {},
  abort: () => {},
  close: () => Promise.resolve(),
};

function memory(): SlotMemory {
  return new SlotMemory({ bytes: 1 << 29, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 });
}

/** Key group, state, and ten bytes of number `i`. */
function writeRow(row: Uint8Array, i: number, state: number): void {
  const keyGroup = Math.imul(i, 0x9e3779b1) >>> 25;
  row[0] = 0;
  row[1] = keyGroup;
  row[2] = 0;
  row[3] = state;
  row[4] = 0x40;
  for (let at = KEY_BYTES - 1, rest = i; at > 4; at--, rest = Math.floor(rest / 10)) row[at] = 48 + rest % 10;
}

interface Accesses {
  readonly keys: number;
  readonly ops: number;
}

function draw({ keys, ops }: Accesses, random: SeededRandom): Int32Array {
  return Int32Array.from({ length: ops }, () => Math.floor(random() * keys));
}

/** Reads and writes rows of a map of Uint8Arrays by their number: what could be had without bytes as keys. */
function overMap(params: Accesses, random: SeededRandom): { ops: number; checksum: number; elapsedMs: number } {
  const drawn = draw(params, random);
  const rows = new Map<number, Uint8Array>();
  for (let i = 0; i < params.keys; i++) rows.set(i, new Uint8Array(VALUE_BYTES));
  const startMs = performance.now();
  let checksum = 0;
  for (const key of drawn) {
    const value = rows.get(key)!;
    checksum += value[0]!;
    value[0] = value[0]! + 1;
  }
  return { ops: params.ops, checksum, elapsedMs: performance.now() - startMs };
}

bench("write_buffer/rmw/memory/uniform", {
  smoke: { keys: 100, ops: 1_000 },
  full: { keys: 10_000, ops: 2_000_000 },
  against: "a Map of numbers to bytes, changed in place",
  async run(params: Accesses, random) {
    const drawn = draw(params, random);
    const rows = new BufferedRows({
      operatorName: "bench",
      backendName: "lsm",
      store: EMPTY,
      memory: memory(),
      clock: STILL,
    });
    const row = new Uint8Array(64);
    const value = new Uint8Array(256);
    for (let i = 0; i < params.keys; i++) {
      writeRow(row, i, 1);
      rows.put(row, KEY_BYTES, KEY_BYTES, value, 0, VALUE_BYTES);
    }
    let checksum = 0;
    const startMs = performance.now();
    for (const key of drawn) {
      writeRow(row, key, 1);
      rows.get(row, KEY_BYTES, KEY_BYTES);
      const { found } = rows;
      const first = found.bytes[found.start]!;
      checksum += first;
      value[0] = first + 1;
      rows.put(row, KEY_BYTES, KEY_BYTES, value, 0, VALUE_BYTES);
    }
    const elapsedMs = performance.now() - startMs;
    await rows.close();
    return { ops: params.ops, checksum, elapsedMs };
  },
  baseline: overMap,
});

interface Rows {
  readonly rows: number;
}

bench("write_buffer/sort/memory/uniform", {
  smoke: { rows: 1_000 },
  full: { rows: 250_000 },
  against: "an array of numbers sorted by the runtime",
  run({ rows }: Rows) {
    const buffer = new WriteBuffer(memory(), []);
    const row = new Uint8Array(64);
    const value = new Uint8Array(VALUE_BYTES);
    for (let i = 0; i < rows; i++) {
      writeRow(row, (i * 7_919) % rows, 1);
      const hash = rowHash(row, 0, KEY_BYTES) >>> 2;
      buffer.put(row, KEY_BYTES, KEY_BYTES, hash, hash, value, 0, VALUE_BYTES);
    }
    const startMs = performance.now();
    const sorted = new SortedBuffer(buffer, new RowSorter());
    let longestMs = 0;
    for (let over = false; !over;) {
      const stepMs = performance.now();
      over = sorted.sort();
      longestMs = Math.max(longestMs, performance.now() - stepMs);
    }
    let checksum = 0;
    while (sorted.next()) checksum++;
    return { ops: rows, checksum, elapsedMs: performance.now() - startMs, figures: { longestStepMs: longestMs } };
  },
  baseline({ rows }) {
    const numbers = Array.from({ length: rows }, (_, i) => (i * 7_919) % rows);
    const startMs = performance.now();
    numbers.sort((a, b) => a - b);
    return { ops: rows, checksum: numbers.length, elapsedMs: performance.now() - startMs };
  },
});

interface Timers {
  readonly timers: number;
  readonly refills: number;
}

const REFILL = 128;

bench("write_buffer/refill/memory/timers", {
  smoke: { timers: 5_000, refills: 20 },
  full: { timers: 500_000, refills: 2_000 },
  async run({ timers, refills }: Timers) {
    const rows = new BufferedRows({
      operatorName: "bench",
      backendName: "lsm",
      store: EMPTY,
      memory: memory(),
      clock: STILL,
    });
    const row = new Uint8Array(64);
    writeRow(row, 0, 1);
    rows.scan(row, 1).close(); // As the queues do when they open.
    for (let i = 0; i < timers; i++) {
      writeRow(row, (i * 7_919) % timers, 1);
      rows.put(row, KEY_BYTES, KEY_BYTES, row, 0, 0);
    }
    const next = Array.from({ length: 128 }, (): Uint8Array | undefined => undefined);
    let checksum = 0;
    let firstMs = 0;
    const startMs = performance.now();
    for (let refill = 0; refill < refills; refill++) {
      const keyGroup = refill % 128;
      row[1] = keyGroup;
      const stepMs = performance.now();
      const cursor = rows.scan(row, REFILL, next[keyGroup]);
      while (cursor.next()) checksum++;
      next[keyGroup] = cursor.key.slice(0, cursor.keyBytes);
      cursor.close();
      if (refill < 128) firstMs = Math.max(firstMs, performance.now() - stepMs);
    }
    const elapsedMs = performance.now() - startMs;
    await rows.close();
    return { ops: refills, checksum, elapsedMs, figures: { refillMs: elapsedMs / refills, longestFirstMs: firstMs } };
  },
});
