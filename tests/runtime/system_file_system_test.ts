import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { errorCode } from "../../core/file_system.ts";
import { systemFileSystem as files } from "../../runtime/system_file_system.ts";

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "weir-fs-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (content: Uint8Array) => new TextDecoder().decode(content);
const hasCode = (code: string) => (error: unknown) => errorCode(error) === code;

test("systemFileSystem appends what write and writeSync are given and counts it", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a");
    const file = await files.create(path, "exclusive");
    file.writeSync(bytes("one"));
    await file.write(bytes("two"));
    equal(file.sizeBytes, 6);
    await file.sync();
    await file.close();
    await file.close();
    equal(text(await files.readFile(path)), "onetwo");
    await rejects(files.create(path, "exclusive"), hasCode("EEXIST"));
    const more = await files.create(path, "append");
    equal(more.sizeBytes, 6);
    more.writeSync(bytes("!"));
    equal(more.sizeBytes, 7);
    await more.close();
    equal(text(await files.readFile(path)), "onetwo!");
    await (await files.create(path, "truncate")).close();
    deepEqual(await files.readFile(path), new Uint8Array(0));
  }));

test("systemFileSystem counts the operations that are under way, whatever becomes of them", () =>
  inFolder(async (folder) => {
    equal(files.pendingCount, 0);
    const operations = [files.status(folder), files.list(folder), files.readFile(join(folder, "none"))];
    equal(files.pendingCount, 3);
    await Promise.allSettled(operations);
    equal(files.pendingCount, 0);
  }));

test("systemFileSystem reads at any offset, fewer bytes only at the end", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a");
    const output = await files.create(path, "exclusive");
    output.writeSync(bytes("0123456789"));
    await output.close();
    const input = await files.open(path);
    const target = new Uint8Array(4);
    equal(input.sizeBytes, 10);
    equal(await input.read(target, 3), 4);
    equal(text(target), "3456");
    equal(input.readSync(target, 8), 2);
    equal(text(target.subarray(0, 2)), "89");
    equal(input.readSync(target, 10), 0);
    input.close();
    input.close();
    throws(() => input.readSync(target, 0));
  }));

test("systemFileSystem makes, lists sorted, looks up, renames, links and removes", () =>
  inFolder(async (folder) => {
    const nested = join(folder, "x", "y");
    await files.makeDirectory(nested);
    await files.makeDirectory(nested);
    for (const name of ["b", "a", "B"]) await (await files.create(join(nested, name), "exclusive")).close();
    deepEqual(await files.list(nested), ["B", "a", "b"]);
    equal((await files.status(nested))?.kind, "directory");
    equal((await files.status(join(nested, "a")))?.kind, "file");
    equal(await files.status(join(nested, "none")), null);
    equal(await files.status(join(nested, "a", "below-a-file")), null);
    await files.rename(join(nested, "a"), join(nested, "b"));
    await files.link(join(nested, "b"), join(nested, "c"));
    await rejects(files.link(join(nested, "b"), join(nested, "B")), hasCode("EEXIST"));
    deepEqual(await files.list(nested), ["B", "b", "c"]);
    await files.syncDirectory(nested);
    await files.remove(join(nested, "b"));
    await files.remove(join(nested, "b"));
    await files.removeDirectory(join(folder, "x"));
    await files.removeDirectory(join(folder, "x"));
    equal(await files.status(nested), null);
  }));

test("systemFileSystem reports what is missing with its POSIX code", () =>
  inFolder(async (folder) => {
    const missing = join(folder, "none", "file");
    await rejects(files.open(missing), hasCode("ENOENT"));
    await rejects(files.readFile(missing), hasCode("ENOENT"));
    await rejects(files.create(missing, "truncate"), hasCode("ENOENT"));
    await rejects(files.list(missing), hasCode("ENOENT"));
    await rejects(files.rename(missing, join(folder, "to")), hasCode("ENOENT"));
    await rejects(files.syncDirectory(missing), hasCode("ENOENT"));
  }));

test("systemFileSystem removes an empty folder, and none in which there is anything", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x");
    await files.makeDirectory(join(path, "y"));
    equal(await files.removeEmptyDirectory(path), false);
    equal(await files.removeEmptyDirectory(join(path, "y")), true);
    await (await files.create(join(path, "file"), "exclusive")).close();
    equal(await files.removeEmptyDirectory(path), false);
    deepEqual(await files.list(path), ["file"]);
    await files.remove(join(path, "file"));
    equal(await files.removeEmptyDirectory(path), true);
    equal(await files.removeEmptyDirectory(path), true);
    await (await files.create(path, "exclusive")).close();
    await rejects(files.removeEmptyDirectory(path), hasCode("ENOTDIR"));
  }));
