/** Files of state on disk on their way into a checkpoint and back. */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { FileTransfer } from "../../checkpoint/file_transfer.ts";
import { FilesystemStorage } from "../../checkpoint/filesystem_storage.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import { errorCode } from "../../core/file_system.ts";
import type { FileRef, SnapshotStore } from "../../core/snapshot.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { seededRandom } from "./simulated_job.ts";

const TASK = { vertexId: "v", subtaskIndex: 0 };
const META = new TextEncoder().encode("metadata");
const BYTES = Uint8Array.from({ length: 600_000 }, (_, i) => i % 251);
const SHARED = "/root/job/shared";
const RUN = "/state/run";

interface World {
  readonly fs: MemoryFileSystem;
  readonly storage: FilesystemStorage;
  readonly store: Required<SnapshotStore>;
}

async function makeWorld(transfer?: FileTransfer): Promise<World> {
  const fs = new MemoryFileSystem();
  fs.put(RUN, BYTES);
  const random = seededRandom(1);
  const options = { fileSystem: fs, random, root: "/root", jobId: "job", inlineBytes: 20 };
  const storage = new FilesystemStorage(transfer === undefined ? options : { ...options, transfer });
  await storage.prepare();
  fs.journal.length = 0;
  // Files can be linked here, so nothing is absent.
  return { fs, storage, store: storage.begin(1).store(TASK) as Required<SnapshotStore> };
}

function did(fs: MemoryFileSystem, operation: string): boolean {
  return fs.journal.some((entry) => entry.startsWith(`${operation} `));
}

async function contentOf({ storage }: World, file: FileRef): Promise<Uint8Array> {
  const input = await storage.reader("/root/job/chk-1").open(file);
  const bytes = Uint8Array.from(input.read(0, input.sizeBytes));
  input.close();
  return bytes;
}

for (
  const [how, transfer, refusal] of [
    ["a hard link by default", undefined, undefined],
    ["a copy where there are no links", "link", "EXDEV"],
    ["a copy when so configured", "copy", undefined],
  ] as const
) {
  test(`a working file comes into a checkpoint and back by ${how} [229]`, async () => {
    const world = await makeWorld(transfer);
    const { fs, storage, store } = world;
    if (refusal !== undefined) fs.fail({ operation: "link", code: refusal, times: Infinity });
    const file = await store.adopt(RUN, BYTES.length, "shared");
    const isLink = transfer === undefined;
    equal(fs.journal.some((entry) => entry.startsWith(`create ${SHARED}`)), !isLink);
    equal(did(fs, "link"), transfer !== "copy");
    await fs.remove(RUN);
    deepEqual(await contentOf(world, file), BYTES);
    await storage.reader("/root/job/chk-1").fetch!(file, RUN);
    deepEqual(fs.content(RUN), BYTES);
    equal(fs.openCount, 0);
  });
}

test("an adopted file outlives a power cut once the metadata is there", async () => {
  for (const transfer of ["link", "copy"] as const) {
    const world = await makeWorld(transfer);
    const { fs, storage } = world;
    // Unlike `put`, this leaves bytes that are not durable.
    const written = await fs.create("/state/fresh", "exclusive");
    await written.write(BYTES);
    await written.close();
    const location = storage.begin(1);
    const files = [
      await location.store(TASK).adopt!("/state/fresh", BYTES.length, "shared"),
      await location.store(TASK).adopt!("/state/fresh", BYTES.length, "exclusive"),
    ];
    await location.writeMetadata(META);
    fs.crash();
    for (const file of files) deepEqual(await contentOf(world, file), BYTES);
  }
});

test("a small working file goes into the metadata [56]", async () => {
  const { fs, storage, store } = await makeWorld();
  fs.put("/state/small", BYTES.subarray(0, 20));
  const file = await store.adopt("/state/small", 20, "shared");
  deepEqual(file, { scope: "inline", bytes: BYTES.slice(0, 20), sizeBytes: 20 });
  deepEqual(fs.files(SHARED), []);
  await storage.reader("/root/job/chk-1").fetch!(file, "/state/back");
  deepEqual(fs.content("/state/back"), BYTES.slice(0, 20));
  await rejects(store.adopt("/state/small", 19, "shared"), SnapshotCorruptError);
});

test("a working file that is gone or has another size is refused, as is one of a checkpoint", async () => {
  for (const transfer of ["link", "copy"] as const) {
    const { fs, storage, store } = await makeWorld(transfer);
    await rejects(store.adopt(RUN, BYTES.length - 1, "shared"), SnapshotCorruptError);
    equal(fs.files(SHARED).length, 0);
    equal(fs.openCount, 0);
    const reader = storage.reader("/root/job/chk-1");
    const missing = { scope: "shared", name: "missing", sizeBytes: 1_000 } as const;
    await rejects(reader.fetch!(missing, "/state/back"), SnapshotCorruptError);
    equal(fs.has("/state/back"), false);
  }
});

test("an adoption that fails leaves nothing behind and nothing open", async () => {
  for (const transfer of ["link", "copy"] as const) {
    for (const operation of ["link", "sync", "create", "write", "close", "open", "read"] as const) {
      const { fs, store } = await makeWorld(transfer);
      fs.fail({ operation, code: "ENOSPC", after: operation === "write" ? 1 : 0, tornBytes: 3 });
      const result = await store.adopt(RUN, BYTES.length, "shared").then(() => "done", errorCode);
      ok(result === "done" || result === "ENOSPC", `${transfer} ${operation}: ${result}`);
      equal(fs.files(SHARED).length, result === "done" ? 1 : 0, `${transfer} ${operation}`);
      equal(fs.openCount, 0, `${transfer} ${operation}`);
    }
  }
});

test("a file that no snapshot will refer to can be given up", async () => {
  const { fs, store } = await makeWorld();
  for (const scope of ["shared", "exclusive"] as const) {
    await store.discard(await store.adopt(RUN, BYTES.length, scope));
  }
  await store.discard({ scope: "inline", bytes: BYTES, sizeBytes: BYTES.length });
  deepEqual(fs.files("/root"), []);
  equal(fs.has(RUN), true);
});
