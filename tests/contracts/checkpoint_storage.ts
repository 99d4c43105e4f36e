/** What every storage of checkpoints promises. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { CheckpointStorage } from "../../checkpoint/storage.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import type { FileRef } from "../../core/snapshot.ts";

const TASK = { vertexId: "v", subtaskIndex: 0 };
const META = new TextEncoder().encode("metadata");

/** Bytes that no other size has. */
function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + size) & 0xff);
}

function isInvalid(error: unknown): boolean {
  return error instanceof StreamError && error.kind === "invalid";
}

/** @param open Makes an empty storage that takes files of up to 100,000 bytes. */
export function checkpointStorageContract(name: string, open: () => CheckpointStorage): void {
  test(`${name} storage is empty at first`, async () => {
    const storage = open();
    deepEqual(await storage.completedIds(), []);
    equal(await storage.highestId(), 0);
    equal(await storage.hasEverCompleted(), false);
    await rejects(storage.readMetadata(1), isInvalid);
  });

  test(`${name} storage gives back files of any size, written in chunks that are reused`, async () => {
    const storage = open();
    await storage.prepare();
    const location = storage.begin(1);
    const written: [FileRef, Uint8Array][] = [];
    for (const size of [0, 1, 19, 20, 21, 1_000, 70_000]) {
      for (const scope of ["exclusive", "shared"] as const) {
        const file = await location.store(TASK).create(scope);
        const bytes = pattern(size);
        const chunk = new Uint8Array(7_000);
        for (let at = 0; at < size; at += chunk.length) {
          const part = bytes.subarray(at, at + chunk.length);
          chunk.set(part);
          await file.write(chunk.subarray(0, part.length));
          chunk.fill(0xee);
        }
        const ref = await file.finish();
        equal(ref.sizeBytes, size);
        equal(ref.scope === "inline" || ref.scope === scope, true);
        written.push([ref, bytes]);
      }
    }
    const reader = storage.reader(await location.writeMetadata(META));
    for (const [ref, bytes] of written) {
      const input = await reader.open(ref);
      equal(input.sizeBytes, bytes.length);
      deepEqual(Uint8Array.from(input.read(0, bytes.length)), bytes);
      const half = bytes.length >> 1;
      deepEqual(Uint8Array.from(input.read(half, bytes.length - half)), bytes.subarray(half));
      for (const [offset, length] of [[0, bytes.length + 1], [bytes.length, 1], [-1, 1]] as const) {
        let error: unknown;
        try {
          input.read(offset, length);
        } catch (thrown) {
          error = thrown;
        }
        equal(error instanceof SnapshotCorruptError, true, `read ${length} at ${offset}`);
      }
      input.close();
    }
  });

  test(`${name} storage gives every file a name of its own`, async () => {
    const storage = open();
    await storage.prepare();
    const names = new Set<string>();
    for (let id = 1; id <= 10; id++) {
      const file = await storage.begin(id).store(TASK).create("shared");
      await file.write(pattern(5_000));
      const ref = await file.finish();
      names.add(ref.scope === "inline" ? `inline ${id}` : ref.name);
    }
    equal(names.size, 10);
  });

  test(`${name} storage refuses writes to a file that is finished or discarded`, async () => {
    const storage = open();
    await storage.prepare();
    const store = storage.begin(1).store(TASK);
    const finished = await store.create("shared");
    await finished.finish();
    await rejects(finished.write(META), isInvalid);
    await rejects(finished.finish(), isInvalid);
    const discarded = await store.create("exclusive");
    await discarded.write(pattern(5_000));
    await discarded.discard();
    await discarded.discard();
    await rejects(discarded.finish(), isInvalid);
  });

  test(`${name} storage lists a checkpoint from its metadata on, newest first, and reads it by id and by path [223, 228]`, async () => {
    const storage = open();
    await storage.prepare();
    const paths: string[] = [];
    for (const id of [2, 10, 9]) {
      const location = storage.begin(id);
      equal((await storage.completedIds()).includes(id), false);
      paths.push(await location.writeMetadata(Uint8Array.of(id)));
    }
    deepEqual(await storage.completedIds(), [10, 9, 2]);
    equal(await storage.highestId(), 10);
    equal(await storage.hasEverCompleted(), true);
    for (const pointer of [10, paths[1]!, `${paths[1]}/_metadata`]) {
      const stored = await storage.readMetadata(pointer);
      deepEqual(Uint8Array.from(stored.bytes), Uint8Array.of(10));
      equal(stored.externalPath, paths[1]);
    }
    for (const missing of [3, `${paths[0]}x`]) await rejects(storage.readMetadata(missing), isInvalid);
  });

  test(`${name} storage refuses to write metadata twice [228]`, async () => {
    const storage = open();
    await storage.prepare();
    await storage.begin(1).writeMetadata(META);
    await rejects(storage.begin(1).writeMetadata(Uint8Array.of(1)), isInvalid);
    deepEqual(Uint8Array.from((await storage.readMetadata(1)).bytes), META);
  });

  test(`${name} storage forgets a checkpoint that is deleted or discarded, but not that one completed`, async () => {
    const storage = open();
    await storage.prepare();
    for (const id of [1, 2]) {
      const location = storage.begin(id);
      await (await location.store(TASK).create("exclusive")).finish();
      await location.writeMetadata(META);
      if (id === 2) await location.discard();
    }
    deepEqual(await storage.completedIds(), [1]);
    await storage.deleteCheckpoint(1);
    await storage.deleteCheckpoint(1);
    await storage.deleteShared(["nothing"]);
    deepEqual(await storage.completedIds(), []);
    equal(await storage.hasEverCompleted(), true);
  });

  test(`${name} storage takes no file for a checkpoint that is discarded`, async () => {
    const storage = open();
    await storage.prepare();
    const location = storage.begin(1);
    const store = location.store(TASK);
    await location.discard();
    await rejects(store.create("exclusive"), { name: "StreamError", kind: "unavailable" });
    deepEqual(await storage.completedIds(), []);
  });

  test(`${name} storage finds a checkpoint that is set aside no more, and gives no id twice`, async () => {
    const storage = open();
    await storage.prepare();
    await storage.begin(1).writeMetadata(META);
    await storage.begin(2).writeMetadata(META);
    await storage.setAside(2);
    deepEqual(await storage.completedIds(), [1]);
    equal(await storage.highestId(), 2);
  });

  test(`${name} storage sweeps unfinished checkpoints and shared files that nothing refers to`, async () => {
    const storage = open();
    await storage.prepare();
    const refs: FileRef[] = [];
    const location = storage.begin(1);
    for (let i = 0; i < 2; i++) {
      const file = await location.store(TASK).create("shared");
      await file.write(pattern(30_000));
      refs.push(await file.finish());
    }
    const path = await location.writeMetadata(META);
    await (await storage.begin(2).store(TASK).create("exclusive")).write(pattern(30_000));
    const kept = refs[0]!;
    await storage.sweep(new Set(kept.scope === "inline" ? [] : [kept.name]));
    deepEqual(await storage.completedIds(), [1]);
    const input = await storage.reader(path).open(kept);
    equal(input.read(0, 30_000).length, 30_000);
    input.close();
    deepEqual(await storage.sweep(new Set(kept.scope === "inline" ? [] : [kept.name])), { unfinished: [], shared: [] });
  });

  test(`${name} storage keeps the lineage that was begun last`, async () => {
    const storage = open();
    deepEqual(await storage.lineage(), { above: 0, origin: null });
    for (const lineage of [{ above: 7, origin: "/a\nb" }, { above: 12, origin: null }]) {
      await storage.beginLineage(lineage);
      deepEqual(await storage.lineage(), lineage);
    }
    deepEqual(await storage.completedIds(), []);
  });
}
