/** Savepoints on a real disk, and what the folder they are to go to may be. */
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { disposeSavepoint } from "../../checkpoint/disposal.ts";
import { encodeMetadata } from "../../checkpoint/metadata.ts";
import { FilesystemSavepoints } from "../../checkpoint/savepoint_storage.ts";
import { systemFileSystem as fileSystem } from "../../runtime/system_file_system.ts";
import { SAMPLE } from "./metadata_fixture.ts";
import { seededRandom } from "./simulated_job.ts";

const BYTES = new Uint8Array(100_000).fill(5);
const TASK = { vertexId: "v", subtaskIndex: 0 };

async function inFolder(run: (folder: string, savepoints: FilesystemSavepoints) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "weir-savepoints-"));
  try {
    await run(folder, new FilesystemSavepoints({ fileSystem, random: seededRandom(), jobId: "0123456789" }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a savepoint is written, moved, read and disposed of on a real disk [243]", () =>
  inFolder(async (folder, savepoints) => {
    const location = await savepoints.create(`${folder}/not/there/yet/`);
    const working = join(folder, "working");
    writeFileSync(working, BYTES);
    const store = location.store(TASK);
    const written = await store.create("exclusive");
    await written.write(BYTES);
    const refs = [await written.finish(), await store.adopt!(working, BYTES.length, "exclusive")];
    rmSync(working);
    const keyGroups = { start: 0, end: 127 };
    const runs = refs.map((file) => ({ file, level: 0, keyGroups, rowCount: 1, footerCrc32: 7 }));
    const keyed = { keyGroups, runs, nextListNumber: 0, incrementBytes: 0, fullBytes: 0 };
    const operators = [{
      id: "a",
      name: "a",
      parallelism: 1,
      maxParallelism: 128,
      finished: false,
      subtasks: [{ finished: false, snapshot: { keyed, lists: {} } }],
    }];
    const path = await location.writeMetadata(
      encodeMetadata({ ...SAMPLE, type: "savepoint", format: "native", operators }),
    );
    match(path, /\/not\/there\/yet\/savepoint-012345-[0-9a-f]{12}$/);
    await location.discard();
    equal(readdirSync(path).length, 3, "complete: it is the user's");
    const moved = join(folder, "moved");
    renameSync(path, moved);
    const { externalPath } = await savepoints.readMetadata(`${moved}/_metadata`);
    for (const ref of refs) {
      const input = await savepoints.reader(externalPath).open(ref);
      deepEqual(Uint8Array.from(input.read(0, BYTES.length)), BYTES);
      input.close();
    }
    const link = join(folder, "link");
    symlinkSync(moved, link);
    await rejects(disposeSavepoint(folder, { fileSystem }), { name: "DisposalRefusedError", reason: "not-a-snapshot" });
    const metadata = readFileSync(join(moved, "_metadata"));
    deepEqual(await disposeSavepoint(link, { fileSystem }), {
      path: link,
      removedCount: 3,
      keptSharedCount: 0,
      isFolderGone: false,
    });
    deepEqual(readdirSync(moved), []);
    writeFileSync(join(moved, "_metadata"), metadata);
    equal((await disposeSavepoint(moved, { fileSystem })).isFolderGone, true);
    deepEqual(readdirSync(folder).sort(), ["link", "not"]);
  }));

test("a savepoint that is discarded leaves the folders that it was to go to, and nothing in them", () =>
  inFolder(async (folder, savepoints) => {
    const location = await savepoints.create(join(folder, "a"));
    const file = await location.store(TASK).create("exclusive");
    await file.write(BYTES);
    await location.discard();
    await location.discard();
    await rejects(location.store(TASK).create("exclusive"), { kind: "unavailable" });
    deepEqual(readdirSync(join(folder, "a")), []);
    await file.discard();
  }));

test("a savepoint cannot go where a file is, nor below one [228]", () =>
  inFolder(async (folder, savepoints) => {
    writeFileSync(join(folder, "file"), "");
    for (const target of ["file", "file/below"]) {
      await rejects(savepoints.create(join(folder, target)), {
        kind: "unavailable",
        // Nothing was made, so nothing is said to be left.
        message:
          /^Cannot make a folder for a savepoint in "[^"]*file[^"]*": ENOTDIR: [^;]*; make it writable or give another$/,
      });
    }
  }));
