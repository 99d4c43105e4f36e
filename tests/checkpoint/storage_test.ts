import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { FilesystemStorage } from "../../checkpoint/filesystem_storage.ts";
import { MemoryStorage } from "../../checkpoint/memory_storage.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import { errorCode } from "../../core/file_system.ts";
import type { FileRef } from "../../core/snapshot.ts";
import { checkpointStorageContract } from "../contracts/checkpoint_storage.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { seededRandom } from "./simulated_job.ts";

const TASK = { vertexId: "v", subtaskIndex: 0 };
const META = new TextEncoder().encode("metadata");
const BYTES = new Uint8Array(100).fill(1);

function open(fileSystem = new MemoryFileSystem(), seed = 1): FilesystemStorage {
  return new FilesystemStorage({
    fileSystem,
    random: seededRandom(seed),
    root: "/root/deep",
    jobId: "job",
    inlineBytes: 20,
  });
}

checkpointStorageContract("filesystem", () => open());
checkpointStorageContract("jobmanager", () => new MemoryStorage());

test("filesystem storage makes no folder before it is used, then chk-, shared and taskowned [214, 228]", async () => {
  const fs = new MemoryFileSystem();
  const storage = open(fs);
  storage.begin(1);
  equal(fs.has("/root"), false);
  await storage.prepare();
  deepEqual(await fs.list("/root/deep/job"), ["shared", "taskowned"]);
  const file = await storage.begin(1).store(TASK).create("exclusive");
  await file.write(BYTES);
  await file.finish();
  deepEqual(await fs.list("/root/deep/job"), ["chk-1", "shared", "taskowned"]);
});

test("filesystem storage refuses an inline threshold out of range", () => {
  const options = { fileSystem: new MemoryFileSystem(), random: seededRandom(), root: "/root", jobId: "job" };
  throws(() => new FilesystemStorage({ ...options, inlineBytes: 1_048_577 }), RangeError);
});

test("filesystem storage keeps small files inline and writes no file for them", async () => {
  const fs = new MemoryFileSystem();
  const storage = open(fs);
  await storage.prepare();
  for (const [size, scope] of [[20, "inline"], [21, "shared"]] as const) {
    const file = await storage.begin(1).store(TASK).create("shared");
    await file.write(BYTES.subarray(0, 10));
    await file.write(BYTES.subarray(10, size));
    equal((await file.finish()).scope, scope);
    equal(fs.files("/root/deep/job/shared").length, scope === "inline" ? 0 : 1);
  }
});

test("filesystem storage loses nothing of a completed checkpoint in a power cut, at whatever operation it comes", async () => {
  let completedAt = -1;
  for (let operations = 0; completedAt < 0; operations++) {
    for (const random of [undefined, seededRandom(operations + 1).next]) {
      const fs = new MemoryFileSystem();
      const storage = open(fs);
      fs.haltAfter(operations);
      let path: string | null = null;
      const refs: FileRef[] = [];
      try {
        await storage.prepare();
        const location = storage.begin(1);
        const exclusive = await location.store(TASK).create("exclusive");
        await exclusive.write(BYTES);
        refs.push(await exclusive.finish());
        const shared = await location.store(TASK).create("shared");
        await shared.write(BYTES);
        refs.push(await shared.finish());
        path = await location.writeMetadata(META);
        fs.crash(random === undefined ? {} : { random });
        await checkWhole(open(fs), refs);
        equal(await open(fs).hasEverCompleted(), true);
      } catch (error) {
        if (errorCode(error) !== "EHALT") throw error;
        fs.crash(random === undefined ? {} : { random });
        // Nobody was told that it completed; but if it is listed, it is whole.
        if ((await open(fs).completedIds()).length > 0) await checkWhole(open(fs), refs);
      }
      if (path !== null) completedAt = operations;
    }
  }
  ok(completedAt > 15);
});

async function checkWhole(storage: FilesystemStorage, refs: readonly FileRef[]): Promise<void> {
  deepEqual(await storage.completedIds(), [1]);
  const { externalPath, bytes } = await storage.readMetadata(1);
  deepEqual(Uint8Array.from(bytes), META);
  for (const ref of refs) {
    const input = await storage.reader(externalPath).open(ref);
    deepEqual(Uint8Array.from(input.read(0, 100)), BYTES);
    input.close();
  }
}

test("filesystem storage killed while it deletes a checkpoint leaves it whole or not listed at all", async () => {
  for (let operations = 0; operations < 8; operations++) {
    const fs = new MemoryFileSystem();
    const storage = open(fs);
    await storage.prepare();
    const location = storage.begin(1);
    const file = await location.store(TASK).create("exclusive");
    await file.write(BYTES);
    const ref = await file.finish();
    await location.writeMetadata(META);
    fs.haltAfter(operations);
    await storage.deleteCheckpoint(1).catch(() => {});
    fs.crash();
    if ((await open(fs).completedIds()).length > 0) await checkWhole(open(fs), [ref]);
    await open(fs).sweep(new Set());
  }
});

test("filesystem storage reports a full disk, leaves no file open and can go on", async () => {
  for (const operation of ["create", "write", "sync", "close", "rename", "syncDirectory", "makeDirectory"] as const) {
    for (let after = 0; after < 4; after++) {
      const fs = new MemoryFileSystem();
      const storage = open(fs);
      await storage.prepare();
      fs.fail({ operation, code: "ENOSPC", after, tornBytes: 3 });
      const failures: unknown[] = [];
      for (let id = 1; id <= 2; id++) {
        const location = storage.begin(id);
        try {
          const file = await location.store(TASK).create("shared");
          await file.write(BYTES);
          await file.finish();
          await location.writeMetadata(META);
        } catch (error) {
          failures.push(error);
          await location.discard();
        }
      }
      ok(failures.length <= 1);
      equal(failures.every((error) => errorCode(error) === "ENOSPC"), true, `${operation} ${after}`);
      equal(fs.openCount, 0, `${operation} ${after}`);
      deepEqual(
        await storage.completedIds(),
        failures.length === 0 ? [2, 1] : (await storage.completedIds()).slice(0, 1),
      );
    }
  }
});

test("filesystem storage leaves nothing of a file that is discarded while it is being created", async () => {
  const fs = new MemoryFileSystem();
  const storage = open(fs);
  await storage.prepare();
  const file = await storage.begin(1).store(TASK).create("shared");
  const write = file.write(BYTES);
  await file.discard();
  await rejects(write, /it is gone, must be open/);
  equal(fs.openCount, 0);
  deepEqual(fs.files("/root"), []);
});

test("filesystem reader refuses a file that is missing, of another size or on a bad sector", async () => {
  const fs = new MemoryFileSystem();
  const storage = open(fs);
  fs.put("/root/deep/job/shared/abc", BYTES);
  const reader = storage.reader("/root/deep/job/chk-1");
  const isCorrupt = (error: unknown) => error instanceof SnapshotCorruptError;
  await rejects(reader.open({ scope: "shared", name: "none", sizeBytes: 1 }), isCorrupt);
  await rejects(reader.open({ scope: "shared", name: "abc", sizeBytes: 99 }), isCorrupt);
  fs.fail({ operation: "open", code: "EIO" });
  await rejects(reader.open({ scope: "shared", name: "abc", sizeBytes: 100 }), isCorrupt);
  fs.fail({ operation: "open", code: "EMFILE" });
  await rejects(
    reader.open({ scope: "shared", name: "abc", sizeBytes: 100 }),
    (error) => errorCode(error) === "EMFILE",
  );
  const input = await reader.open({ scope: "shared", name: "abc", sizeBytes: 100 });
  fs.fail({ operation: "read", code: "EIO" });
  throws(() => input.read(0, 1), isCorrupt);
  fs.truncate("/root/deep/job/shared/abc", 50);
  throws(() => input.read(40, 20), isCorrupt);
  input.close();
  equal(fs.openCount, 0);
});

test("filesystem storage says what is wrong with a pointer [228]", async () => {
  const fs = new MemoryFileSystem();
  const storage = open(fs);
  fs.put("/elsewhere/chk-1/_metadata", META);
  fs.put("/elsewhere/chk-2/other", META);
  for (const good of ["/elsewhere/chk-1", "/elsewhere/chk-1/", "/elsewhere/chk-1/_metadata"]) {
    equal((await storage.readMetadata(good)).externalPath, "/elsewhere/chk-1");
  }
  const cases: [string, RegExp][] = [
    ["", /the path is empty/],
    ["file:///elsewhere/chk-1", /it must be a path without "file:\/\/"/],
    ["s3://elsewhere/chk-1", /it must be a local path/],
    ["/nowhere", /there is no such file or folder/],
    ["/elsewhere/chk-2", /the folder has no _metadata/],
    ["/elsewhere/chk-2/other", /a file that is not called _metadata/],
  ];
  for (const [pointer, message] of cases) await rejects(storage.readMetadata(pointer), message);
});

test("jobmanager storage refuses a state above its limit and names the remedy", async () => {
  const storage = new MemoryStorage(100);
  const file = await storage.begin(1).store(TASK).create("shared");
  await file.write(BYTES);
  await rejects(file.write(BYTES), (error: Error) => {
    match(error.message, /more than 100 bytes.*set execution\.checkpointing\.dir/);
    return true;
  });
});
