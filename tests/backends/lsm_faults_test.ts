import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import type { RowStore } from "../../backends/embedded/row_store.ts";
import { StreamError, WorkingFileError } from "../../core/errors.ts";
import { drive, everything, ingest, read, StoreRig, work } from "../contracts/store_rig.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { gone, put, type RowName, rowOf, type SampleRow, SampleRows, VALUES } from "../support/sample_rows.ts";

const SMALL = { blockBytes: 256, targetFileBytes: 2048, levelBaseBytes: 1 << 20 };

const name = (i: number): RowName => rowOf(i % 8, VALUES, `key-${i}`);

function values(count: number, mark: string): SampleRow[] {
  return Array.from({ length: count }, (_, i) => put(name(i), `${mark}-${i}`));
}

/** A store over a file system that a test can harm. */
function harmed(memoryBytes = 1 << 20): { readonly rig: StoreRig; readonly disk: MemoryFileSystem } {
  const disk = new MemoryFileSystem();
  const ports = () => ({ fileSystem: disk });
  return { rig: new StoreRig({ factory: () => lsmRowStoreFactory(SMALL), ports, memoryBytes }), disk };
}

for (const operation of ["create", "write", "close", "open", "read"] as const) {
  test(`LsmStore: when ${operation} fails, a flush fails with the cause, leaves no file and can be done again`, async () => {
    const { rig, disk } = harmed();
    await using _ = rig;
    const store = await rig.open();
    ingest(store, values(100, "old"));
    const files = disk.files();
    const open = disk.openCount;
    let failures = 0;
    for (let after = 0;; after++) {
      disk.fail({ operation, path: "store-0", code: "ENOSPC", after });
      let done = false;
      try {
        ingest(store, values(200, "new"));
        done = true;
      } catch (error) {
        failures++;
        ok(error instanceof StreamError && error.kind === "unavailable", String(error));
        disk.heal();
        await rig.wait(Promise.resolve());
        deepEqual(disk.files(), files);
        equal(disk.openCount, open);
        equal(read(store, name(7)), "old-7");
        equal(everything(store).length, 100);
      }
      if (done) break;
    }
    disk.heal();
    ok(failures > 0);
    equal(read(store, name(150)), "new-150");
  });

  test(`LsmStore: when ${operation} fails, a compaction fails, changes nothing and can be done again`, async () => {
    const { rig, disk } = harmed();
    await using _ = rig;
    const store = await rig.open();
    for (let i = 0; i < 4; i++) ingest(store, values(60 + i * 20, `${i}`));
    ingest(store, [gone(name(5))]);
    const expected = everything(store);
    const files = disk.files();
    const open = disk.openCount;
    let failures = 0;
    for (let after = 0; after < 1000; after++) {
      disk.fail({ operation, path: "store-0", code: "EIO", after });
      try {
        ok(work(store) > 0);
        break;
      } catch (error) {
        failures++;
        ok(error instanceof StreamError, String(error));
        disk.heal();
        await rig.wait(Promise.resolve());
        deepEqual(disk.files(), files);
        equal(disk.openCount, open);
        deepEqual(everything(store), expected);
      }
    }
    disk.heal();
    ok(failures > 0 || operation === "read");
    deepEqual(everything(store), expected);
    await rig.wait(Promise.resolve());
    ok(disk.files().length < files.length);
  });
}

test("LsmStore: a read error is a typed error, never a wrong value, and passes", async () => {
  const { rig, disk } = harmed(65_536);
  await using _ = rig;
  const store = await rig.open();
  ingest(store, values(3000, "a"));
  let failures = 0;
  for (let i = 0; i < 3000; i += 13) {
    disk.fail({ operation: "read", code: "EIO" });
    try {
      equal(read(store, name(i)), `a-${i}`);
    } catch (error) {
      failures++;
      ok(error instanceof StreamError, String(error));
    }
    disk.heal();
    equal(read(store, name(i)), `a-${i}`);
  }
  ok(failures > 50, `${failures} failures`);
});

test("LsmStore: a flipped byte in a live run is a typed error that names the file, or does no harm; never a wrong value", async () => {
  let noticed = 0;
  for (let round = 0; round < 60; round++) {
    const { rig, disk } = harmed();
    await using _ = rig;
    const store = await rig.open();
    ingest(store, values(120, "a"));
    const [path] = disk.files("store-0");
    const sizeBytes = disk.content(path!).length;
    disk.flipBit(path!, Math.floor(sizeBytes * round / 60), round % 8);
    for (let i = 0; i < 130; i++) {
      try {
        equal(read(store, name(i)), i < 120 ? `a-${i}` : null);
      } catch (error) {
        if (!(error instanceof WorkingFileError)) throw error;
        noticed++;
        ok(error.path.includes(path!.split("/").at(-1)!), error.path);
      }
    }
  }
  ok(noticed > 100, `${noticed} reads were refused`);
});

test("LsmStore: what the store reads stays right when its files are deleted under it, and a snapshot of them fails typed", async () => {
  const { rig, disk } = harmed(65_536);
  await using _ = rig;
  const store = await rig.open();
  ingest(store, values(1000, "a"));
  for (const path of disk.files("store-0")) disk.removeSync(path);
  for (let i = 0; i < 1000; i += 7) {
    try {
      equal(read(store, name(i)), `a-${i}`);
    } catch (error) {
      ok(error instanceof StreamError, String(error));
    }
  }
  const frozen = store.freeze();
  const signal = new AbortController().signal;
  await rejects(rig.wait(frozen.write({ checkpointId: 1, full: false }, rig.snapshots, signal)), (error) => {
    return (error as { code?: string }).code === "ENOENT" || error instanceof StreamError;
  });
  frozen.release();
  equal(rig.snapshots.openForWrite, 0);
});

test("LsmStore removes a file when no version, cursor and snapshot needs it, and its directory on close [271]", async () => {
  const { rig, disk } = harmed();
  await using _ = rig;
  const store = await rig.open();
  const count = async () => {
    await rig.wait(Promise.resolve());
    return disk.files("store-0").length;
  };
  for (let i = 0; i < 4; i++) ingest(store, values(50, `${i}`));
  equal(await count(), 4);
  const cursor = store.scan(new Uint8Array([0, 3, 0, VALUES]), 4, null);
  const frozen = store.freeze();
  work(store);
  const outputs = await count() - 4;
  ok(outputs > 0);
  cursor.close();
  equal(await count(), 4 + outputs);
  frozen.release();
  frozen.release();
  equal(await count(), outputs);
  store.freeze();
  store.scan(new Uint8Array([0, 3, 0, VALUES]), 4, null);
  await rig.wait(store.close());
  equal(disk.openCount, 0);
  equal(disk.has("store-0"), false);
});

test("LsmStore refuses a second flush, a second compaction, a freeze during a flush, and everything after close", async () => {
  const { rig } = harmed();
  await using _ = rig;
  const store: RowStore = await rig.open();
  for (let i = 0; i < 4; i++) ingest(store, values(50, `${i}`));
  const flush = store.ingest(new SampleRows(values(10, "more")));
  throws(() => store.ingest(new SampleRows([])), /another flush is under way/);
  throws(() => store.freeze(), /a flush is under way/);
  drive(flush);
  throws(() => flush.step(), /it is over/);
  const compaction = store.nextWork()!;
  throws(() => store.nextWork(), /another compaction is under way/);
  drive(compaction);
  throws(() => compaction.step(), /it is over/);
  await rig.wait(store.close());
  throws(() => store.freeze(), /it is closed/);
  throws(() => store.nextWork(), /it is closed/);
});
