import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openDatabase } from "../../backends/lmdb/lmdb_module.ts";
import { CHUNK_BYTES, RowTree } from "../../backends/lmdb/row_tree.ts";
import { RowWalk } from "../../backends/lmdb/row_walk.ts";
import { nativeFolder } from "../support/native_folder.ts";
import { bytesOf, modelRows, type RowModel, textOf } from "../support/sample_rows.ts";
import { scaled } from "../support/scale.ts";

const folder = nativeFolder("lmdb-keys");
let trees = 0;

/** A tree and what it must read as. */
class Rig implements AsyncDisposable {
  readonly tree = new RowTree("a tree of rows");
  readonly model: RowModel = new Map();

  static async open(): Promise<Rig> {
    const rig = new Rig();
    rig.tree.attach(await openDatabase(`${folder}/${trees++}.mdb`, {}, rig.tree));
    return rig;
  }

  put(key: string, value: string): void {
    const row = bytesOf(`pad${key}${value}`);
    this.tree.transaction(() => this.tree.put(row, 3, 3 + key.length, row, 3 + key.length, row.length));
    this.model.set(key, value);
  }

  remove(key: string): void {
    const row = bytesOf(`pad${key}`);
    this.tree.transaction(() => this.tree.remove(row, 3, row.length));
    this.model.delete(key);
  }

  get(key: string): string | undefined {
    const found = { bytes: new Uint8Array(0), start: 0, end: 0 };
    const row = bytesOf(key);
    return this.tree.get(row, row.length, found) ? textOf(found.bytes, found.start, found.end) : undefined;
  }

  walk(prefix: string, from?: string): [string, string][] {
    const transaction = this.tree.pin();
    const range = {
      prefix: bytesOf(prefix),
      prefixBytes: prefix.length,
      from: from === undefined ? from : bytesOf(from),
    };
    const walk = new RowWalk(this.tree, range, transaction, () => transaction.done());
    const rows: [string, string][] = [];
    while (walk.next()) {
      rows.push([textOf(walk.key, 0, walk.keyBytes), textOf(walk.value, walk.valueStart, walk.valueEnd)]);
    }
    return rows;
  }

  check(prefix: string, from?: string): void {
    const expected = modelRows(this.model, bytesOf(prefix), from === undefined ? from : bytesOf(from));
    // Compared as a whole: the texts are long.
    equal(JSON.stringify(this.walk(prefix, from)) === JSON.stringify(expected), true);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.tree.close();
  }
}

/** Texts around the borders of chunks, of few letters, so that they share chunks. */
const part = fc.tuple(
  fc.constantFrom("a", "b", "\0", "\xff"),
  fc.constantFrom(0, 1, 2, CHUNK_BYTES - 5, CHUNK_BYTES - 4, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1),
).map(([letter, count]) => letter.repeat(count));
const key = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => `\0\x01\0\x01${parts.join("")}`);
const action = fc.tuple(
  fc.constantFrom("put", "put", "remove"),
  key,
  fc.string({ unit: "binary-ascii", maxLength: 5 }),
);

test("RowTree keeps rows with keys of any length in order, as a plain Map would", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 30 }),
      fc.array(fc.tuple(key, fc.nat(), fc.nat()), { minLength: 1, maxLength: 4 }),
      async (actions, ranges) => {
        await using rig = await Rig.open();
        for (const [act, name, value] of actions) {
          if (act === "put") rig.put(name, value);
          else rig.remove(name);
        }
        for (const [, name] of actions) equal(rig.get(name), rig.model.get(name));
        rig.check("");
        for (const [name, cut, further] of ranges) {
          const prefix = name.slice(0, 4 + cut % (name.length - 3));
          rig.check(prefix);
          rig.check(prefix, name.slice(0, prefix.length + further % (name.length - prefix.length + 1)));
          for (const [, other] of actions) if (other.startsWith(prefix)) rig.check(prefix, other);
        }
        for (const [, name] of actions) rig.remove(name);
        equal(rig.tree.stats()?.entryCount, 0, "links that lead nowhere");
      },
    ),
    { numRuns: scaled(80, 400) },
  );
});

test("RowTree keeps keys of 64 KiB apart from their beginnings, their continuations and their neighbours", async () => {
  await using rig = await Rig.open();
  const long = "\0\x01\0\x01".padEnd(65_536, "k");
  const keys = [
    long,
    `${long}\0`,
    `${long}\xff`,
    long.slice(0, -1),
    `${long.slice(0, -1)}j`,
    long.slice(0, 1900),
    "\0\x01\0\x02",
  ];
  keys.forEach((name, i) => rig.put(name, `${i}`));
  keys.forEach((name, i) => equal(rig.get(name), `${i}`));
  equal(rig.get(long.slice(0, 1901)), undefined);
  rig.check("");
  rig.check(long);
  rig.check(long, `${long}\x01`);
  deepEqual(rig.walk(long).map(([, value]) => value), ["0", "1", "2"]);
  for (const name of keys) {
    rig.remove(name);
    rig.remove(name);
    rig.check("");
  }
  equal(rig.tree.stats()?.entryCount, 0);
});

test("RowTree tells a value that is empty from none, and reads values above the package's buffer", async () => {
  await using rig = await Rig.open();
  rig.put("\0\0\0\0empty", "");
  const big = new Uint8Array(17 * 1024 * 1024).fill(7);
  const name = bytesOf("\0\0\0\0big");
  rig.tree.transaction(() => rig.tree.put(name, 0, name.length, big, 0, big.length));
  const found = { bytes: new Uint8Array(0), start: 0, end: 0 };
  equal(rig.tree.get(name, name.length, found), true);
  deepEqual([found.end - found.start, found.bytes[found.start], found.bytes[found.end - 1]], [big.length, 7, 7]);
  equal(rig.get("\0\0\0\0empty"), "");
  equal(rig.get("\0\0\0\0none"), undefined);
  const transaction = rig.tree.pin();
  const walk = new RowWalk(rig.tree, { prefix: bytesOf("\0"), prefixBytes: 1 }, transaction, () => transaction.done());
  const sizes: number[] = [];
  while (walk.next()) sizes.push(walk.valueEnd - walk.valueStart);
  deepEqual(sizes, [big.length, 0]);
});

test("RowTree takes a transaction back that throws", async () => {
  await using rig = await Rig.open();
  rig.put("\0\0\0\0a", "1");
  const failure = new RangeError("no");
  let caught: unknown;
  try {
    rig.tree.transaction(() => {
      const row = bytesOf("\0\0\0\0a2");
      rig.tree.put(row, 0, 5, row, 5, 6);
      throw failure;
    });
  } catch (error) {
    caught = error;
  }
  equal(caught, failure);
  equal(rig.get("\0\0\0\0a"), "1");
});
