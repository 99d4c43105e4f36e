import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { CompletedCheckpoint } from "../../checkpoint/completed_checkpoint.ts";
import { FilesystemStorage } from "../../checkpoint/filesystem_storage.ts";
import { findAt, findLatest } from "../../checkpoint/recovery.ts";
import type { KeyedStateHandle, RunHandle } from "../../core/snapshot.ts";
import type { MemoryFileSystem } from "../support/memory_file_system.ts";
import { SAVEPOINT, seededRandom, SimulatedJob, writeRun } from "./simulated_job.ts";

const BYTES = new Uint8Array(100).fill(5);
const verify = () => {};

function storageOf(fs: MemoryFileSystem, jobId: string): FilesystemStorage {
  return new FilesystemStorage({ fileSystem: fs, random: seededRandom(jobId.length * 7), root: "/checkpoints", jobId });
}

/** Takes a checkpoint or savepoint with a shared file, an exclusive one, and `older` runs of earlier ones. */
async function take(
  job: SimulatedJob,
  { older = [], properties = {} }: {
    older?: readonly RunHandle[];
    properties?: Parameters<SimulatedJob["begin"]>[0];
  } = {},
): Promise<{ checkpoint: CompletedCheckpoint; shared: RunHandle }> {
  const done = job.coordinator.trigger(properties);
  await job.settle();
  const { checkpointId, type } = job.barriers.at(-1)!;
  const store = job.coordinator.store(checkpointId, job.tasks[1]!);
  const one = await writeRun(store, "exclusive", BYTES);
  const two = await writeRun(store, type === "savepoint" ? "exclusive" : "shared", BYTES);
  const keyed: KeyedStateHandle = { ...one, runs: [...older, ...one.runs, ...two.runs] };
  job.acknowledge(checkpointId, "sink", { keyed, lists: {} });
  job.acknowledge(checkpointId, "source");
  await job.settle();
  return { checkpoint: await done, shared: two.runs[0]! };
}

/** A second job, in the same file system, that starts from a path. */
async function startFrom(
  first: SimulatedJob,
  path: string,
  { jobId = "second", claim = true, retained = 2 }: { jobId?: string; claim?: boolean; retained?: number } = {},
): Promise<SimulatedJob> {
  const storage = storageOf(first.fs, jobId);
  const next = new SimulatedJob({ retained }, () => storage, first.fs);
  next.coordinator.restore(await findAt(path, { storage, verify }, claim ? "CLAIM" : "NO_CLAIM"));
  await next.coordinator.beginLineage();
  next.coordinator.start();
  return next;
}

test("a claimed savepoint is what a restart goes back to until it is subsumed, then it is gone [226, 242]", async () => {
  const first = new SimulatedJob();
  first.coordinator.start();
  const { checkpoint: { externalPath } } = await take(first, { properties: SAVEPOINT });
  const next = await startFrom(first, externalPath);
  equal(next.coordinator.latest()!.externalPath, externalPath);
  deepEqual(next.coordinator.retained().map((one) => one.externalPath), [externalPath]);
  await take(next);
  equal(next.barriers[0]!.full, true);
  equal(next.fs.files(externalPath).length, 3, "one of the two that are retained");
  await take(next);
  await next.settle();
  equal(next.fs.has(externalPath), false);
  deepEqual(await next.fs.list("/savepoints"), [], "the user's folder stays");
  deepEqual(next.coordinator.retained().map((one) => one.metadata.checkpointId), [3, 2]);
  const recovery = await findLatest({ storage: next.storage, verify });
  ok(recovery.kind === "restored");
  equal(recovery.restored.metadata.checkpointId, 3);
});

test("a savepoint that is not claimed stays, and the job stands alone once a checkpoint has completed [227, 242]", async () => {
  const first = new SimulatedJob();
  first.coordinator.start();
  const { checkpoint: { externalPath } } = await take(first, { properties: SAVEPOINT });
  const next = await startFrom(first, externalPath, { claim: false, retained: 1 });
  for (let i = 0; i < 3; i++) await take(next);
  equal(next.fs.files(externalPath).length, 3);
  await next.fs.removeDirectory(externalPath);
  const recovery = await findLatest({ storage: next.storage, verify });
  ok(recovery.kind === "restored");
});

test("of a claimed savepoint only what it lists goes, and not a folder with something else in it [242]", async () => {
  const first = new SimulatedJob();
  first.coordinator.start();
  const { checkpoint: { externalPath } } = await take(first, { properties: SAVEPOINT });
  first.fs.put(`${externalPath}/notes.txt`, BYTES);
  const next = await startFrom(first, externalPath, { retained: 1 });
  await take(next);
  await next.settle();
  deepEqual(next.fs.files("/savepoints"), [`${externalPath}/notes.txt`]);
});

test("of a claimed checkpoint the shared files go to which no other refers, and nothing else of that job [242]", async () => {
  const first = new SimulatedJob({ retained: 3 });
  first.coordinator.start();
  const one = await take(first);
  const two = await take(first, { older: [one.shared] });
  const three = await take(first, { older: [one.shared] });
  first.fs.flipBit(`${one.checkpoint.externalPath}/_metadata`, 40);
  const before = first.fs.files("/checkpoints/job");
  const next = await startFrom(first, two.checkpoint.externalPath, { retained: 1 });
  await take(next);
  await next.settle();
  const gone = before.filter((path) => !next.fs.has(path));
  const sharedOfTwo = two.shared.file.scope === "shared" ? two.shared.file.name : "";
  deepEqual(
    gone.filter((path) => !path.startsWith(two.checkpoint.externalPath)),
    [`/checkpoints/job/shared/${sharedOfTwo}`],
  );
  equal(next.fs.has(two.checkpoint.externalPath), false);
  const found = await findAt(three.checkpoint.externalPath, { storage: next.storage, verify });
  equal(found.restored.metadata.checkpointId, 3);
  // What the damaged one alone refers to needs nobody.
  await startFrom(first, three.checkpoint.externalPath, { jobId: "third", retained: 1 }).then(take);
  await next.settle();
  equal(next.fs.files("/checkpoints/job").some((path) => path.includes("/chk-3/")), false);
});

test("the newest checkpoint of the job's own folder, claimed, is as if found by itself [227]", async () => {
  const first = new SimulatedJob({ retained: 2 });
  first.coordinator.start();
  const one = await take(first);
  const two = await take(first, { older: [one.shared] });
  for (const path of [two.checkpoint.externalPath, `${two.checkpoint.externalPath}/_metadata`]) {
    const storage = storageOf(first.fs, "job");
    const claimed = await findAt(path, { storage, verify }, "CLAIM");
    const latest = await findLatest({ storage, verify });
    ok(latest.kind === "restored");
    deepEqual({ ...claimed, kind: "restored" }, latest);
  }
  const next = await startFrom(first, two.checkpoint.externalPath, { jobId: "job" });
  deepEqual(await next.storage.lineage(), { above: 0, origin: null });
  await take(next, { older: [one.shared] });
  equal(next.barriers[0]!.full, false, "increments go on");
  equal(next.fs.has("/checkpoints/job/chk-1"), false);
});

test("an older checkpoint of the job's own folder, claimed, goes when subsumed; newer ones stay readable [227, 242]", async () => {
  const first = new SimulatedJob({ retained: 3 });
  first.coordinator.start();
  const one = await take(first);
  const two = await take(first, { older: [one.shared] });
  const three = await take(first, { older: [one.shared, two.shared] });
  const next = await startFrom(first, two.checkpoint.externalPath, { jobId: "job", retained: 1 });
  deepEqual(await next.storage.lineage(), { above: 3, origin: two.checkpoint.externalPath });
  await take(next);
  equal(next.barriers[0]!.full, true);
  equal(next.fs.has(two.checkpoint.externalPath), false);
  for (const path of [one, three].map(({ checkpoint }) => checkpoint.externalPath)) {
    const { restored } = await findAt(path, { storage: next.storage, verify });
    ok(restored.metadata.checkpointId !== 2);
  }
  await take(next);
  const recovery = await findLatest({ storage: next.storage, verify });
  ok(recovery.kind === "restored");
  deepEqual(recovery.retained.map((checkpoint) => checkpoint.metadata.checkpointId), [5]);
});

test("a savepoint that was moved restores from its new path, claimed or not [228, 243]", async () => {
  const first = new SimulatedJob();
  first.coordinator.start();
  for (const claim of [true, false]) {
    const { checkpoint: { externalPath } } = await take(first, { properties: SAVEPOINT });
    const moved = `/moved-${claim}`;
    await first.fs.rename(externalPath, moved);
    await rejects(
      findAt(externalPath, { storage: storageOf(first.fs, "x"), verify }),
      /there is no such file or folder/,
    );
    for (const path of [moved, `${moved}/`, `${moved}/_metadata`]) {
      const { restored } = await findAt(path, { storage: storageOf(first.fs, "x"), verify });
      equal(restored.externalPath, moved);
      const reader = storageOf(first.fs, "x").reader(restored.externalPath);
      for (const { file } of restored.metadata.operators[0]!.subtasks[0]!.snapshot!.keyed!.runs) {
        const input = await reader.open(file);
        deepEqual(Uint8Array.from(input.read(0, 100)), BYTES);
        input.close();
      }
    }
    const next = await startFrom(first, moved, { claim, retained: 1, jobId: `job-${claim}` });
    await take(next);
    await next.settle();
    equal(next.fs.has(moved), !claim);
  }
});

test("a claimed snapshot that cannot be deleted is reported and harms nothing", async () => {
  const first = new SimulatedJob();
  first.coordinator.start();
  const { checkpoint: { externalPath } } = await take(first, { properties: SAVEPOINT });
  const next = await startFrom(first, externalPath, { retained: 1 });
  next.fs.fail({ operation: "remove", path: /savepoints/, code: "EACCES" });
  await take(next);
  await next.settle();
  const event = next.events.find(({ kind }) => kind === "cleanup-failed");
  ok(event?.kind === "cleanup-failed");
  deepEqual(event.checkpointIds, [1]);
  equal((await take(next)).checkpoint.metadata.checkpointId, 3);
});

test("a job that is cancelled and keeps nothing deletes what it has claimed [222, 242]", async () => {
  const first = new SimulatedJob();
  first.coordinator.start();
  const { checkpoint: { externalPath } } = await take(first, { properties: SAVEPOINT });
  const storage = storageOf(first.fs, "second");
  const next = new SimulatedJob({ retention: "DELETE_ON_CANCELLATION" }, () => storage, first.fs);
  next.coordinator.restore(await findAt(externalPath, { storage, verify }, "CLAIM"));
  next.coordinator.start();
  await next.coordinator.shutdown("cancelled");
  equal(next.fs.has(externalPath), false);
});
