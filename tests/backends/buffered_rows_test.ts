/** Rows in write buffers over a store: the contract, memory, failures, freezes. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { BufferedRows } from "../../backends/embedded/buffered_rows.ts";
import { RowSorter } from "../../backends/embedded/row_sorter.ts";
import { SlotMemories } from "../../backends/embedded/slot_memories.ts";
import { SlotMemory } from "../../backends/embedded/slot_memory.ts";
import { SortedBuffer } from "../../backends/embedded/sorted_buffer.ts";
import { WriteBuffer } from "../../backends/embedded/write_buffer.ts";
import { rowHash } from "../../backends/runs/row_hash.ts";
import { PUT } from "../../backends/runs/run_format.ts";
import { StreamError } from "../../core/errors.ts";
import { rowsContract } from "../contracts/rows.ts";
import { deleteRow, getRow, putRow, RowsRig, type RowsSubject, TINY_BYTES } from "../contracts/rows_rig.ts";
import { bytesOf, rowOf, textOf, VALUES } from "../support/sample_rows.ts";

const SUBJECT: RowsSubject = {
  open: (parts) => new BufferedRows({ operatorName: "totals", backendName: "lmdb", ...parts }),
};

rowsContract("BufferedRows", SUBJECT);

const value = (i: number) => rowOf(i % 8, VALUES, `key-${i}`);

/** The slot of a rig's rows. */
async function openIn(rig: RowsRig): Promise<BufferedRows> {
  const rows = await rig.open();
  if (!(rows instanceof BufferedRows)) throw new TypeError("SUBJECT makes no other rows");
  return rows;
}

test("BufferedRows stays within the write share when no background work runs at all", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 17);
  const rows = await openIn(rig);
  for (let i = 0; i < 5_000; i++) putRow(rows, value(i % 3_000), `${i}`.padEnd(60, "."));
  const { peakBytes, overshootBytes, writeBytes } = rig.memory;
  ok(rows.syncFlushCount > 5, `${rows.syncFlushCount} flushes at once`);
  // Pages never; the scratch memory of one flush and its tables may.
  ok(overshootBytes < writeBytes / 4, `peak ${peakBytes} of ${writeBytes}`);
  for (let i = 0; i < 3_000; i++) equal(getRow(rows, value(i)), `${i < 2_000 ? i + 3_000 : i}`.padEnd(60, "."));
});

test("BufferedRows freezes the largest buffer of the slot when active ones hold five eighths of the write share", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 17);
  const small = await openIn(rig);
  const large = await openIn(rig);
  for (let i = 0; i < 10; i++) putRow(small, value(i), `${i}`);
  const limit = rig.memory.writeBytes * 5 / 8;
  for (let i = 0; large.frozenBytes === 0; i++) putRow(large, value(i), "v".repeat(100));
  ok(
    large.frozenBytes + small.activeBytes >= limit * 0.9 && large.frozenBytes <= limit,
    `${large.frozenBytes} of ${limit}`,
  );
  equal(small.frozenBytes, 0);
  equal(large.activeBytes, 0);
  rig.settle();
  equal(large.frozenBytes, 0);
  equal(large.flushCount, 1);
});

test("BufferedRows reads what was flushed last from memory, as long as that is not needed", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 18);
  const rows = await openIn(rig);
  const { store } = rig;
  let asked = 0;
  const get = store.get.bind(store);
  store.get = (...args) => {
    asked++;
    return get(...args);
  };
  for (let i = 0; i < 50; i++) putRow(rows, value(i), `${i}`);
  rows.freezeActive();
  rig.settle();
  equal(store.ingestCount, 1);
  putRow(rows, value(1), "newer");
  deleteRow(rows, value(2));
  deepEqual([0, 1, 2, 3].map((i) => getRow(rows, value(i))), ["0", "newer", null, "3"]);
  equal(asked, 0);
  rows.freezeActive();
  rig.settle();
  deepEqual([0, 1, 2, 3].map((i) => getRow(rows, value(i))), ["0", "newer", null, "3"]);
  equal(asked, 2, "those that are not in the last one");

  const keptBytes = rig.memory.usedBytes;
  for (let i = 100; rig.memory.usedBytes * 2 <= rig.memory.writeBytes; i++) putRow(rows, value(i), "v".repeat(500));
  putRow(rows, value(99), "v".repeat(5_000));
  asked = 0;
  equal(getRow(rows, value(1)), "newer");
  equal(asked, 1, "given up when half of the share was in use");
  ok(keptBytes > 0);
  await rows.close();
  equal(rig.memory.usedBytes, 0);
});

test("BufferedRows takes memory from other operators of the slot when its own buffers do not suffice", async () => {
  await using rig = new RowsRig(SUBJECT, TINY_BYTES);
  const other = await openIn(rig);
  for (let i = 0; i < 15; i++) putRow(other, value(i), "v".repeat(60));
  const rows = await openIn(rig);
  putRow(rows, value(1), "w".repeat(2_800));
  equal(getRow(rows, value(1)), "w".repeat(2_800));
  ok(other.flushCount > 0, "the other one was flushed");
  for (let i = 0; i < 15; i++) equal(getRow(other, value(i)), "v".repeat(60));
});

test("BufferedRows takes rows as large as the write buffers, and refuses larger ones with the options to raise", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 18);
  const rows = await openIn(rig);
  const most = rig.memory.maxRowBytes - 100;
  for (let i = 0; i < 3; i++) {
    putRow(rows, value(i), `${i}`.repeat(most));
    equal(getRow(rows, value(i)), `${i}`.repeat(most));
    putRow(rows, value(10 + i), "small");
  }
  equal(getRow(rows, value(0)), "0".repeat(most));
  throws(
    () => putRow(rows, value(4), "x".repeat(rig.memory.maxRowBytes)),
    (error) =>
      error instanceof StreamError && error.kind === "invalid" &&
      /"totals".*state\.backend\.lmdb\.memory\.fixed-per-slot or state\.backend\.lmdb\.memory\.write-buffer-ratio/.test(
        error.message,
      ),
  );
  equal(getRow(rows, value(4)), null);
  putRow(rows, value(4), "fits");
  equal(getRow(rows, value(4)), "fits");
});

test("BufferedRows.backpressure holds writers while the slot is nearly full, and lets them go after a flush", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 17);
  const rows = await openIn(rig);
  equal(rows.backpressure(), undefined);
  let count = 0;
  while (rows.backpressure() === undefined) putRow(rows, value(count++), "v".repeat(40));
  ok(rig.memory.isTight, "nearly full");
  equal(rows.syncFlushCount, 0);
  let isOver = false;
  const waiting = rows.backpressure()!.then(() => isOver = true);
  await rig.clock.settle();
  equal(isOver, false);
  await rig.wait(waiting);
  equal(rows.backpressure(), undefined);
  ok(rows.flushCount > 0);
});

test("BufferedRows.backpressure of one operator ends when another one of the slot has flushed", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 17);
  const large = await openIn(rig);
  const rows = await openIn(rig);
  for (let i = 0; !rig.memory.isTight; i++) putRow(large, value(i), "v".repeat(40));
  const waiting = rows.backpressure();
  ok(waiting !== undefined);
  await rig.wait(waiting);
  equal(rig.memory.isTight, false);
  equal(rows.flushCount, 0);
});

test("BufferedRows.backpressure holds writers while the store is behind with its work", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 20, 6);
  const rows = await openIn(rig);
  const layer = (i: number) => {
    for (let j = 0; j < 200; j++) putRow(rows, value(j), `${i}`);
    rows.freeze();
  };
  for (let i = 0; i < 5; i++) layer(i);
  rig.settle();
  equal(rows.backpressure(), undefined);
  for (let i = 0; i < 4; i++) layer(i);
  while (rows.backpressure() === undefined) equal(rig.clock.runDeferred() > 0, true, "never behind");
  await rig.wait(rows.backpressure()!);
  equal(rig.store.isBehind, false);
});

test("BufferedRows cuts flushes into slices, and rows are found all the while", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 22);
  const rows = await openIn(rig);
  for (let i = 0; i < 6_000; i++) putRow(rows, value(i), `${i}`);
  rows.freeze();
  let slices = 0;
  for (; rows.flushCount === 0; slices++) {
    rig.clock.runDeferred();
    for (let i = slices; i < 6_000; i += 500) equal(getRow(rows, value(i)), `${i}`);
    putRow(rows, value(7_000 + slices), "meanwhile");
  }
  ok(slices > 10, `${slices} slices`);
});

test("BufferedRows: after a flush has failed, writes and freezes fail with its cause, and rows are still read", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 20);
  const rows = await openIn(rig);
  putRow(rows, value(1), "flushed");
  const before = rows.freeze();
  rig.settle();
  putRow(rows, value(2), "never flushed");
  const cause = new StreamError("unavailable", "Cannot write: disk is full");
  rig.store.fault = cause;
  const ticket = rows.freeze();
  const waiting = rows.frozen(ticket);
  await rejects(rig.wait(waiting), (error) => error instanceof StreamError && error.cause === cause);
  const isThat = (error: unknown) =>
    error instanceof StreamError && error.kind === "unavailable" && error.cause === cause &&
    /"totals"/.test(error.message);
  ok(isThat(rows.failure));
  throws(() => putRow(rows, value(3), "x"), isThat);
  throws(() => rows.delete(value(1).key, value(1).key.length, value(1).prefixBytes), isThat);
  throws(() => rows.clear(value(1).key, 5), isThat);
  throws(() => rows.append(value(1).key, 12, 6, value(1).key, 0, 1), isThat);
  equal(getRow(rows, value(1)), "flushed");
  equal(getRow(rows, value(2)), "never flushed");
  await rejects(rows.frozen(rows.freeze()), isThat);
  equal(rows.backpressure(), undefined);
  (await rows.frozen(before)).release();
});

test("BufferedRows: work of the store that fails is a failure, too", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 20);
  const rows = await openIn(rig);
  for (let i = 0; i < 5; i++) {
    for (let j = 0; j < 100; j++) putRow(rows, value(j), `${i}`);
    rows.freeze();
  }
  while (rows.flushCount < 5) rig.clock.runDeferred();
  rig.store.fault = new Error("a block is gone");
  rig.settle();
  ok(rows.failure !== undefined);
  throws(() => putRow(rows, value(3), "x"), /a block is gone/);
});

test("BufferedRows.close ends work of the store that is under way", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 20);
  const rows = await openIn(rig);
  for (let i = 0; i < 5; i++) {
    for (let j = 0; j < 300; j++) putRow(rows, value(j), `${i}`);
    rows.freeze();
  }
  while (rows.flushCount < 5 || rig.store.stepsCount === 0) ok(rig.clock.runDeferred() > 0, "no work was started");
  await rig.wait(rows.close());
  equal(rig.store.stepsCount, 0);
});

test("SortedBuffer gives many rows in the order of their bytes, also those whose keys begin others", () => {
  const memory = new SlotMemory({ bytes: 1 << 23, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 });
  const buffer = new WriteBuffer(memory, []);
  const expected: string[] = [];
  const add = (text: string, kind: "put" | "delete" | "clear") => {
    const key = bytesOf(text);
    const hash = rowHash(key, 0, key.length) >>> 2;
    if (kind === "put") buffer.put(key, key.length, key.length, hash, hash, key, 0, key.length);
    else if (kind === "delete") buffer.delete(key, key.length, key.length, hash, hash);
    else buffer.clear(key, key.length, hash);
    expected.push(`${text} ${kind}`);
  };
  for (let i = 0; i < 9_000; i++) add(`0123-common-${(i * 7_919) % 9_000}`, i % 5 === 0 ? "delete" : "put");
  for (const text of ["0", "01", "0123-common-", "0123-common", "0123"]) add(text, "clear");
  const rows = new SortedBuffer(buffer, new RowSorter());
  let steps = 1;
  while (!rows.sort()) steps++;
  ok(steps > 5, `${steps} steps`);
  const found: string[] = [];
  while (rows.next()) {
    const key = textOf(rows.bytes, rows.keyStart, rows.keyEnd);
    equal(textOf(rows.bytes, rows.keyEnd, rows.valueEnd), rows.code === PUT ? key : "");
    found.push(`${key} ${["put", "delete", "clear"][rows.code]}`);
  }
  equal(rows.rowCount, found.length);
  const keyOf = (text: string) => text.slice(0, text.indexOf(" "));
  deepEqual(found, expected.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)));
  rows.release();
  buffer.release();
  equal(memory.usedBytes, 0);
});

test("BufferedRows: a flush at once that fails is thrown by the write that needed it", async () => {
  await using rig = new RowsRig(SUBJECT, TINY_BYTES);
  const rows = await openIn(rig);
  rig.store.fault = new Error("disk is full");
  throws(() => {
    for (let i = 0; i < 500; i++) putRow(rows, value(i), "v".repeat(100));
  }, /Cannot keep the state of "totals" on disk: disk is full/);
});

test("BufferedRows releases freezes that nobody asked for when it is closed, and refuses those that it did not come to", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 20);
  const rows = await openIn(rig);
  putRow(rows, value(1), "one");
  rows.freeze();
  rig.settle();
  equal(rig.store.frozenCount, 1);
  const asked = rows.frozen(rows.freeze());
  const refused = rejects(asked, /"totals": it is closed/);
  await rig.wait(rows.close());
  await refused;
  equal(rig.store.frozenCount, 0);
});

test("SlotMemory divides its bytes, and refuses ratios and sizes that leave nothing", () => {
  const memory = new SlotMemory({ bytes: 128 << 20, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 });
  deepEqual([memory.capBytes, memory.writeBytes, memory.cacheBytes], [128 << 20, 64 << 20, 64 << 20]);
  equal(memory.highPriorityBytes, Math.floor((64 << 20) * 0.1));
  for (const bad of [0, 1, -0.5, Number.NaN]) {
    throws(() => new SlotMemory({ bytes: 1 << 20, writeBufferRatio: bad, highPriorityPoolRatio: 0.1 }), StreamError);
    throws(() => new SlotMemory({ bytes: 1 << 20, writeBufferRatio: 0.5, highPriorityPoolRatio: bad }), StreamError);
  }
  throws(() => new SlotMemory({ bytes: 1_000, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 }), /fixed-per-slot/);
});

test("SlotMemory gives large rows pages side by side, and finds them again after others were given back", () => {
  const memory = new SlotMemory({ bytes: 1 << 16, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 });
  const { pageBytes } = memory;
  const count = memory.writeBytes / pageBytes;
  const pages = Array.from({ length: count }, () => memory.takePages(1));
  equal(new Set(pages).size, count);
  equal(pages.includes(0), false);
  equal(memory.takePages(1), 0);
  for (const page of pages) if ((page / pageBytes) % 2 === 0) memory.givePages(page, 1);
  equal(memory.takePages(pageBytes * 2), 0, "none side by side");
  for (const page of pages) if ((page / pageBytes) % 2 === 1 && page > count * pageBytes / 2) memory.givePages(page, 1);
  const large = memory.takePages(pageBytes * 5 - 7);
  ok(large > 0);
  memory.givePages(large, pageBytes * 5 - 7);
  equal(memory.peakBytes, memory.writeBytes);
  equal(memory.overshootBytes, 0);
});

test("SlotMemories shares the memory of a slot among its users, and frees it with the last", () => {
  const slots = new SlotMemories({ bytes: 1 << 20, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 });
  const first = slots.acquire(0);
  equal(slots.acquire(0), first);
  equal(slots.acquire(1) === first, false);
  let disposed = 0;
  const cache = { [Symbol.dispose]: () => void disposed++ };
  equal(first.cache(() => cache), cache);
  equal(first.cache(() => ({ [Symbol.dispose]() {} })), cache);
  slots.release(0);
  equal(disposed, 0);
  equal(slots.acquire(0), first);
  slots.release(0);
  slots.release(0);
  deepEqual([disposed, slots.size], [1, 1]);
  equal(slots.acquire(0) === first, false);
  throws(() => slots.release(5), RangeError);
});

test("BufferedRows flushes a buffer of maxBufferBytes though the slot has memory left", async () => {
  const open: RowsSubject["open"] = (parts) =>
    new BufferedRows({ operatorName: "totals", backendName: "lmdb", maxBufferBytes: 10_000, ...parts });
  await using rig = new RowsRig({ open }, 1 << 20);
  const rows = await openIn(rig);
  for (let i = 0; rows.frozenBuffers.length === 0; i++) {
    ok(rows.activeBytes < 12_000 + rig.memory.pageBytes, `${rows.activeBytes} bytes are in a buffer`);
    putRow(rows, value(i), "v".repeat(100));
  }
  ok(rows.frozenBytes >= 10_000, `${rows.frozenBytes} bytes wait for their flush`);
  rig.settle();
  equal(rows.flushCount, 1);
});

test("BufferedRows: a freeze that the store refuses fails with the cause, and does not wait for ever", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 17);
  const rows = await openIn(rig);
  putRow(rows, value(1), "v");
  const { store } = rig;
  store.freeze = () => {
    throw new Error("no place for readers");
  };
  const frozen = rows.frozen(rows.freeze());
  rig.settle();
  await rejects(frozen, /no place for readers/);
  throws(() => putRow(rows, value(2), "w"), /no place for readers/);
});

test("WriteBuffer finds its rows whatever the number that it was made for, and gives the table's memory back", () => {
  for (const expected of [0, 127, 128, 1_000]) {
    const memory = new SlotMemory({ bytes: 1 << 20, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 });
    const buffer = new WriteBuffer(memory, [], expected);
    for (let i = 0; i < 700; i++) {
      const key = bytesOf(`0123-${i}`);
      const hash = rowHash(key, 0, key.length) >>> 2;
      equal(buffer.lookup(key, key.length, key.length, hash, hash), 0);
      ok(buffer.put(key, key.length, key.length, hash, hash, key, 0, key.length));
    }
    equal(buffer.entries, 700);
    for (let i = 0; i < 700; i++) {
      const key = bytesOf(`0123-${i}`);
      const hash = rowHash(key, 0, key.length) >>> 2;
      equal(buffer.lookup(key, key.length, key.length, hash, hash), 1);
      equal(textOf(buffer.pages.bytes, buffer.valueStart, buffer.valueEnd), `0123-${i}`);
    }
    buffer.release();
    equal(memory.usedBytes, 0);
  }
});
