import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { parseStopPoint, stoppingFileSystem, type StopPoint, stopPointText } from "./stopping_file_system.ts";

/** Instead of a process that stands still. */
class Stopped extends Error {}

function stop(): never {
  throw new Stopped();
}

/** The folder "out" with files a, b and c, of which a has its final name already. */
async function withFiles(): Promise<MemoryFileSystem> {
  const memory = new MemoryFileSystem();
  await memory.makeDirectory("out");
  for (const name of ["a", "b", "c"]) {
    const file = await memory.create(`out/.${name}`, "exclusive");
    await file.write(new Uint8Array([1, 2, 3, 4]));
    await file.close();
  }
  await memory.link("out/.a", "out/a");
  return memory;
}

const linkOf = (point: Pick<StopPoint, "when" | "n">): StopPoint => ({ operation: "link", part: "out/", ...point });

test("a process stops after the nth link that succeeds: one that fails is not counted, and does not lose the stop", async () => {
  const memory = await withFiles();
  const stopping = stoppingFileSystem(memory, linkOf({ when: "after", n: 1 }), stop);
  await rejects(stopping.link("out/.a", "out/a"), { code: "EEXIST" });
  await rejects(stopping.link("out/.b", "out/b"), Stopped);
  deepEqual((await memory.list("out")).toSorted(), [".a", ".b", ".c", "a", "b"]);
  await stopping.link("out/.c", "out/c");
});

test("a process stops before the nth attempt, which has done nothing then", async () => {
  const memory = await withFiles();
  const stopping = stoppingFileSystem(memory, linkOf({ when: "before", n: 2 }), stop);
  await rejects(stopping.link("out/.a", "out/a"), { code: "EEXIST" });
  await rejects(stopping.link("out/.b", "out/b"), Stopped);
  deepEqual((await memory.list("out")).toSorted(), [".a", ".b", ".c", "a"]);
});

for (const isSync of [false, true]) {
  for (const [when, written] of [["before", 0], ["half", 2], ["after", 4]] as const) {
    test(`a process stops ${when === "half" ? "with half of" : when} the second ${isSync ? "writeSync" : "write"}`, async () => {
      const memory = await withFiles();
      const point: StopPoint = { when, operation: "write", part: "out/d$", n: 2 };
      const file = await stoppingFileSystem(memory, point, stop).create("out/d", "exclusive");
      const write = async () => {
        if (isSync) file.writeSync(new Uint8Array(4));
        else await file.write(new Uint8Array(4));
      };
      await write();
      await rejects(write, Stopped);
      equal(file.sizeBytes, 4 + written);
    });
  }
}

test("a process stops at blocking operations alike, and counts no failure of theirs", async () => {
  const memory = await withFiles();
  const point: StopPoint = { when: "after", operation: "create", part: "out/", n: 1 };
  const stopping = stoppingFileSystem(memory, point, stop);
  throws(() => stopping.createSync("out/a", "exclusive"), { code: "EEXIST" });
  throws(() => stopping.createSync("out/d", "exclusive"), Stopped);
  deepEqual((await memory.list("out")).toSorted(), [".a", ".b", ".c", "a", "d"]);
});

test("a stop point is what its text says", () => {
  const point: StopPoint = { when: "after", operation: "link", part: "/part-", n: 4 };
  deepEqual(parseStopPoint(stopPointText(point)), point);
});
