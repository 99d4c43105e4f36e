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

test("MemoryFileSystem fork() is as it was, and goes its own way", async () => {
  const fs = new MemoryFileSystem();
  fs.put("/a/one", "1");
  await fs.link("/a/one", "/a/two");
  const file = await fs.create("/a/one", "append");
  await file.write(bytes("2"));
  const fork = fs.fork();
  await file.write(bytes("3"));
  await fs.remove("/a/two");
  deepEqual([fork.text("/a/one"), fork.text("/a/two"), fork.openCount], ["12", "12", 0]);
  const other = await fork.create("/a/two", "append");
  await other.write(bytes("4"));
  deepEqual([fork.text("/a/one"), fs.text("/a/one")], ["124", "123"]);
  await other.close();
  fork.crash();
  deepEqual([fork.text("/a/one"), fork.has("/a/two")], ["1", false]);
});
