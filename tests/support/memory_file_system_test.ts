import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { errorCode } from "../../core/file_system.ts";
import { MemoryFileSystem } from "./memory_file_system.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("MemoryFileSystem crash() keeps synced bytes under synced names and nothing else", async () => {
  const fs = new MemoryFileSystem();
  await fs.makeDirectory("/a");
  await fs.syncDirectory("/");
  const kept = await fs.create("/a/kept", "exclusive");
  await kept.write(bytes("one"));
  await kept.sync();
  await fs.syncDirectory("/a");
  await kept.write(bytes("two"));
  const lost = await fs.create("/a/lost", "exclusive");
  await lost.write(bytes("x"));
  await lost.sync();
  await fs.rename("/a/kept", "/a/renamed");
  fs.crash();
  deepEqual(fs.files(), ["/a/kept"]);
  equal(fs.text("/a/kept"), "one");
  await rejects(kept.write(bytes("three")), (error) => errorCode(error) === "EBADF");
});

test("MemoryFileSystem kill() keeps everything that was written", async () => {
  const fs = new MemoryFileSystem();
  const file = await fs.create("/a", "exclusive");
  file.writeSync(bytes("one"));
  fs.kill();
  equal(fs.text("/a"), "one");
});

test("MemoryFileSystem fail() strikes the nth matching operation and tears the write", async () => {
  const fs = new MemoryFileSystem();
  fs.fail({ operation: "write", path: "/a", code: "ENOSPC", after: 1, tornBytes: 2 });
  const file = await fs.create("/a", "exclusive");
  await file.write(bytes("one"));
  await rejects(file.write(bytes("two")), (error) => errorCode(error) === "ENOSPC");
  await file.write(bytes("!"));
  await file.close();
  equal(fs.text("/a"), "onetw!");
  equal(fs.openCount, 0);
});

test("MemoryFileSystem haltAfter() fails everything from an operation on, until crash()", async () => {
  const fs = new MemoryFileSystem();
  fs.haltAfter(1);
  await fs.makeDirectory("/a");
  await rejects(fs.makeDirectory("/b"), (error) => errorCode(error) === "EHALT");
  await rejects(fs.list("/"), (error) => errorCode(error) === "EHALT");
  fs.crash();
  deepEqual(await fs.list("/"), []);
});
