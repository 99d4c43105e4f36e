import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { IncrementChain } from "../../backends/lmdb/increment_chain.ts";
import { PUT, type RunState } from "../../backends/runs/run_format.ts";
import { StreamError } from "../../core/errors.ts";
import type { FileSystem } from "../../core/file_system.ts";
import type { RunHandle } from "../../core/snapshot.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";

const STATES: readonly RunState[] = [
  { id: 1, name: "v", kind: "value", serializerId: "bytes", serializerVersion: 1, schemaVersion: 1, flags: 0 },
];
const MEGABYTE = 1024 * 1024;

function chainIn(fileSystem: FileSystem): IncrementChain {
  let ids = 0;
  return new IncrementChain(fileSystem, "", { next: () => 0.5, id: () => `${ids++}` });
}

/** One ingest with a value of that size. */
function ingest(chain: IncrementChain, valueBytes = 10): boolean {
  const run = chain.begin(STATES);
  run?.writer.add(0, PUT, new Uint8Array(10 + valueBytes), 0, 10, 10 + valueBytes);
  chain.end(run);
  return run !== null;
}

/** A run that some checkpoint has. */
function uploaded(name: string, sizeBytes = 100): RunHandle {
  const file = { scope: "shared", name, sizeBytes } as const;
  return { file, level: 0, keyGroups: { start: 0, end: 127 }, rowCount: 1, footerCrc32: 0 };
}

/** A snapshot of now; the ingests whose runs it adds, or "full". */
function snapshot(chain: IncrementChain, checkpointId: number, fullBytes = MEGABYTE): readonly number[] | "full" {
  const mark = chain.freeze();
  const plan = chain.plan(mark);
  const added = plan?.added.map(({ ingest, sizeBytes }) => uploaded(`${ingest}`, sizeBytes)) ?? [
    uploaded("all", fullBytes),
  ];
  chain.written(checkpointId, mark, plan, [...plan?.basis ?? [], ...added]);
  if (plan !== null) chain.unpin(plan);
  chain.released(mark);
  return plan?.added.map(({ ingest }) => ingest) ?? "full";
}

test("IncrementChain writes no run before the first snapshot, and one for each ingest after it", () => {
  const chain = chainIn(new MemoryFileSystem());
  equal(ingest(chain), false);
  equal(snapshot(chain, 1), "full");
  equal(ingest(chain), true);
  chain.confirm(1);
  equal(ingest(chain), true);
  deepEqual(snapshot(chain, 2), [2, 3]);
});

test("IncrementChain writes no runs when the only freeze was released, or its checkpoint aborted", () => {
  const fileSystem = new MemoryFileSystem();
  const chain = chainIn(fileSystem);
  const mark = chain.freeze();
  equal(ingest(chain), true);
  chain.released(mark);
  equal(ingest(chain), false);
  equal(snapshot(chain, 1), "full");
  equal(ingest(chain), true);
  chain.abort(1);
  equal(ingest(chain), false);
  deepEqual(fileSystem.files(), []);
});

test("IncrementChain builds on the last confirmed checkpoint alone, in whatever order answers come", () => {
  const chain = chainIn(new MemoryFileSystem());
  ingest(chain);
  for (const id of [1, 2, 3]) {
    equal(snapshot(chain, id), "full");
    ingest(chain);
  }
  chain.confirm(2);
  deepEqual(snapshot(chain, 4), [3, 4]);
  chain.confirm(1);
  deepEqual(snapshot(chain, 5), [3, 4]);
  chain.abort(3);
  ingest(chain);
  chain.confirm(5);
  deepEqual(snapshot(chain, 6), [5]);
  chain.confirm(4);
  deepEqual(snapshot(chain, 7), [5]);
});

test("IncrementChain keeps the runs of a snapshot that was frozen before the last confirmed one", () => {
  const chain = chainIn(new MemoryFileSystem());
  ingest(chain);
  const early = chain.freeze();
  ingest(chain);
  equal(snapshot(chain, 1), "full");
  chain.confirm(1);
  equal(chain.plan(early), null, "it does not hold what the basis holds");
  chain.written(2, early, null, [uploaded("early")]);
  chain.released(early);
  chain.confirm(2);
  deepEqual(snapshot(chain, 3), [2]);
});

test("IncrementChain does not remove a run that is uploaded, but does so afterwards", () => {
  const fileSystem = new MemoryFileSystem();
  const chain = chainIn(fileSystem);
  snapshot(chain, 1);
  ingest(chain);
  chain.confirm(1);
  const mark = chain.freeze();
  const plan = chain.plan(mark)!;
  snapshot(chain, 2);
  chain.confirm(2);
  chain.released(mark);
  equal(chain.runCount, 0);
  equal(fileSystem.files().length, 1);
  chain.unpin(plan);
  equal(fileSystem.files().length, 0);
});

test("IncrementChain takes a full snapshot when the runs of an interval outweigh the state", () => {
  const chain = chainIn(new MemoryFileSystem());
  snapshot(chain, 1);
  chain.confirm(1);
  ingest(chain, 5 * MEGABYTE);
  equal(snapshot(chain, 2, 20 * MEGABYTE), "full");
  chain.confirm(2);
  for (let i = 0; i < 3; i++) ingest(chain, 5 * MEGABYTE);
  deepEqual(snapshot(chain, 3), [2, 3, 4]);
  chain.confirm(3);
  ingest(chain, 4 * MEGABYTE);
  deepEqual(snapshot(chain, 4), [5]);
  chain.confirm(4);
  for (let i = 0; i < 2; i++) ingest(chain, MEGABYTE);
  deepEqual(snapshot(chain, 5), [6, 7]);
  chain.confirm(5);
  ingest(chain);
  equal(snapshot(chain, 6), "full", "the increments together have outgrown the run that they build on");
});

test("IncrementChain bounds the disk that it takes, whatever becomes of checkpoints, and starts anew", () => {
  const fileSystem = new MemoryFileSystem();
  const chain = chainIn(fileSystem);
  snapshot(chain, 1);
  let taken = 0;
  let most = 0;
  for (let i = 0; i < 40; i++) {
    if (ingest(chain, 4 * MEGABYTE)) taken++;
    most = Math.max(most, chain.runCount);
  }
  ok(most === 15 && taken === 16, `${most} runs of ${taken} at a time`);
  deepEqual(fileSystem.files(), []);
  chain.confirm(1);
  equal(snapshot(chain, 2), "full");
  equal(ingest(chain), true);
});

test("IncrementChain counts runs and checkpoints of a chain", () => {
  const chain = chainIn(new MemoryFileSystem());
  snapshot(chain, 1);
  chain.confirm(1);
  const kinds: string[] = [];
  for (let id = 2; id <= 20; id++) {
    ingest(chain);
    kinds.push(snapshot(chain, id) === "full" ? "full" : "increment");
    chain.confirm(id);
  }
  deepEqual(kinds, [...Array(15).fill("increment"), "full", ...Array(3).fill("increment")]);
  for (let i = 0; i < 260; i++) ingest(chain);
  equal(snapshot(chain, 21), "full");
});

test("IncrementChain names the file and the remedy when a run cannot be created", () => {
  const fileSystem = new MemoryFileSystem();
  const chain = chainIn(fileSystem);
  chain.freeze();
  fileSystem.fail({ operation: "create", code: "ENOSPC" });
  throws(() => chain.begin(STATES), (error) => {
    ok(error instanceof StreamError);
    equal(error.message.startsWith('Cannot write "/0.run": the disk is full; free space'), true, error.message);
    return true;
  });
});
