import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { findAt, findLatest, startAfresh } from "../../checkpoint/recovery.ts";
import { MemoryStorage } from "../../checkpoint/memory_storage.ts";
import type { CompletedCheckpoint } from "../../checkpoint/completed_checkpoint.ts";
import type { MemoryFileSystem } from "../support/memory_file_system.ts";
import { SAVEPOINT, seededRandom, SimulatedJob, STOP, writeRun } from "./simulated_job.ts";

const BYTES = new Uint8Array(100).fill(5);
const FOLDER = /^\/savepoints\/savepoint-abcdef-[0-9a-f]{12}$/;

/** Takes a savepoint in which the sink has one file. */
async function takeSavepoint(job: SimulatedJob, properties = SAVEPOINT): Promise<CompletedCheckpoint> {
  const done = job.coordinator.trigger(properties);
  await job.settle();
  const { checkpointId } = job.barriers.at(-1)!;
  const keyed = await writeRun(job.coordinator.store(checkpointId, job.tasks[1]!), "exclusive", BYTES);
  job.acknowledge(checkpointId, "sink", { keyed, lists: {} });
  job.acknowledge(checkpointId, "source");
  await job.settle();
  return await done;
}

/** Another job in the same file system. */
function startedJob(fs: MemoryFileSystem): SimulatedJob {
  const job = new SimulatedJob({}, () => new MemoryStorage(), fs);
  job.coordinator.start();
  return job;
}

test("a plain savepoint has a folder of its own, is told to nobody, and leaves checkpoints as they were [196, 197, 213]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  await job.take();
  const before = job.fs.files("/checkpoints");
  const { externalPath, metadata } = await takeSavepoint(job);
  match(externalPath, FOLDER);
  deepEqual([metadata.type, metadata.format, metadata.isFinal], ["savepoint", "canonical", false]);
  deepEqual(job.fs.files(externalPath).length, 2, "its metadata and one file");
  deepEqual(job.fs.files("/checkpoints"), before);
  deepEqual(job.log.filter((line) => line.startsWith("complete")), ["complete 1"]);
  equal(job.coordinator.latest()!.metadata.checkpointId, 1);
  await job.take();
  deepEqual(job.barriers.map(({ checkpointId, full, format }) => [checkpointId, full, format]), [
    [1, false, null],
    [2, true, "canonical"],
    [3, false, null],
  ]);
  await job.take();
  equal(job.fs.files(externalPath).length, 2);
});

test("savepoints hold back no checkpoint, and one that hangs none either [201]", async () => {
  const job = new SimulatedJob({ intervalMs: 100, timeoutMs: 10_000 });
  job.coordinator.start();
  for (let i = 0; i < 3; i++) await job.begin(SAVEPOINT);
  job.clock.advance(100);
  await job.settle();
  equal(job.barriers.at(-1)!.type, "checkpoint");
  job.acknowledge(4);
  await job.settle();
  equal(job.coordinator.latest()!.metadata.checkpointId, 4);
});

test("a savepoint on a disk that hangs holds back no checkpoint, neither its start nor its end [201]", async () => {
  for (const stuck of ["create", "writeMetadata"] as const) {
    let isStuck = false;
    const hang = () => {
      isStuck = true;
      return new Promise<never>(() => {});
    };
    const job = new SimulatedJob({}, undefined, undefined, (savepoints) => ({
      readMetadata: (pointer) => savepoints.readMetadata(pointer),
      reader: (path) => savepoints.reader(path),
      remove: (snapshot) => savepoints.remove(snapshot),
      create: async (directory) => {
        if (stuck === "create") return await hang();
        return { ...await savepoints.create(directory), writeMetadata: hang };
      },
    }));
    job.coordinator.start();
    const outcome = await job.begin(SAVEPOINT);
    job.acknowledge(1);
    await job.clock.settle();
    equal(isStuck, true);
    const checkpoint = await job.begin();
    job.acknowledge(job.barriers.at(-1)!.checkpointId);
    for (let turn = 0; turn < 10; turn++) await job.clock.settle();
    equal(checkpoint(), `completed ${stuck === "create" ? 1 : 2}`);
    equal(outcome(), null);
    // A restart does not wait for it either.
    await job.coordinator.stop("job-failed");
    job.coordinator.start();
  }
});

test("a savepoint without a folder is refused, and one in an object store [228, 244]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  await rejects(job.coordinator.trigger({ ...SAVEPOINT, directory: null }), {
    kind: "invalid",
    message: /there is no folder for it.*set execution\.checkpointing\.savepoint-dir/,
  });
  for (const directory of ["s3://bucket/a", "file:///a", ""]) {
    await rejects(job.coordinator.trigger({ ...SAVEPOINT, directory }), { kind: "invalid" });
  }
  deepEqual(job.barriers, []);
  equal(job.coordinator.statistics().counts.total, 0);
});

test("a savepoint into a folder that cannot be written fails before any subtask is asked, and does not count [208]", async () => {
  for (const code of ["EACCES", "ENOSPC", "EIO", "EROFS"]) {
    const job = new SimulatedJob();
    job.coordinator.start();
    job.fs.fail({ operation: "makeDirectory", path: /^\/savepoints/, code });
    const outcome = await job.begin(SAVEPOINT);
    await job.settle();
    equal(outcome(), "io-error");
    deepEqual([job.log, job.barriers, job.fs.files()], [[], [], []]);
    match(job.coordinator.statistics().latestFailed!.failure!.message, new RegExp(`"/savepoints": ${code}`));
    equal(await job.take(), 1);
  }
});

test("a savepoint that cannot be stored fails its caller only and leaves nothing [208]", async () => {
  for (const operation of ["create", "write", "sync", "rename", "syncDirectory"] as const) {
    for (const code of ["ENOSPC", "EIO", "ENOENT"]) {
      const job = new SimulatedJob();
      job.coordinator.start();
      await job.take();
      const outcome = await job.begin(SAVEPOINT);
      job.fs.fail({ operation, path: /^\/savepoints/, code });
      job.acknowledge(2);
      await job.settle();
      equal(outcome(), "finalize-failed");
      deepEqual(job.fs.files("/savepoints"), []);
      equal(job.fs.openCount, 0);
      equal(job.log.some((line) => line.startsWith("fail")), false);
      await job.take();
      equal(job.barriers.at(-1)!.full, false, "increments go on");
    }
  }
});

test("a savepoint's folder is gone before its caller hears that it failed", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  const outcome = job.coordinator.trigger(SAVEPOINT).then(() => "completed", () => job.fs.files("/savepoints").length);
  await job.settle();
  await writeRun(job.coordinator.store(1, job.tasks[1]!), "exclusive", BYTES);
  equal(job.fs.files("/savepoints").length, 1);
  job.coordinator.decline(job.tasks[0]!, 1, new Error("no"));
  await job.settle();
  equal(await outcome, 0);
});

test("a savepoint cannot have a shared file, neither a new one nor one of a checkpoint", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  await job.begin();
  const shared = await writeRun(job.coordinator.store(1, job.tasks[1]!), "shared", BYTES);
  job.acknowledge(1);
  const outcome = await job.begin(SAVEPOINT);
  await job.settle();
  const store = job.coordinator.store(2, job.tasks[1]!);
  await rejects(store.create("shared"), /a savepoint must stand alone/);
  await rejects(store.adopt!("/x", 1, "shared"), /a savepoint must stand alone/);
  job.acknowledge(2, "sink", { keyed: shared, lists: {} });
  await job.settle();
  equal(outcome(), "declined");
});

test("a savepoint goes into the next free name, and gives up after ten", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  const ids = seededRandom(2);
  const paths = Array.from({ length: 10 }, () => `/savepoints/savepoint-abcdef-${ids.id().slice(-12)}`);
  for (const path of paths.slice(0, 9)) job.fs.put(`${path}/theirs`, BYTES);
  equal((await takeSavepoint(job)).externalPath, paths[9]);
  const other = new SimulatedJob();
  other.coordinator.start();
  for (const path of paths) other.fs.put(`${path}/theirs`, BYTES);
  equal((await other.begin(SAVEPOINT))(), "io-error");
  match(other.coordinator.statistics().latestFailed!.failure!.message, /10 random names are all taken/);
  equal(other.fs.files().length, 10);
});

test("a savepoint with which the job stops is noted in the job's folder before anybody commits it [197, 246]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  await job.take();
  job.fs.journal.length = 0;
  const { externalPath, metadata } = await takeSavepoint(job, { ...STOP, format: "native" });
  equal(metadata.format, "native");
  deepEqual(await job.storage.lineage(), { above: 2, origin: externalPath });
  equal(job.log.at(-1), "complete 2");
  const at = (text: RegExp) => job.fs.journal.findIndex((line) => text.test(line));
  ok(at(/rename .*_metadata/) < at(/rename .*_lineage/));
  equal(job.coordinator.latest()!.externalPath, externalPath);
  deepEqual(job.coordinator.retained().map((one) => one.metadata.checkpointId), [1]);
  await rejects(findLatest({ storage: job.storage, verify: () => {} }), (error: Error) => {
    ok(error.message.includes(`--from "${externalPath}"`), error.message);
    return true;
  });
  await rejects(startAfresh({ storage: job.storage }), { kind: "invalid" });
});

test("after a savepoint with which the job was to stop, the next attempt's checkpoints stand alone [220]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  await job.take();
  const stopped = await takeSavepoint(job, STOP);
  await job.coordinator.stop("job-failed");
  equal(job.coordinator.latest(), stopped);
  job.coordinator.start();
  await job.take();
  await job.take();
  deepEqual(job.barriers.map(({ checkpointId, full }) => [checkpointId, full]), [[1, false], [2, true], [3, true], [
    4,
    false,
  ]]);
  equal(job.coordinator.latest()!.metadata.checkpointId, 4);
  equal(job.fs.files(stopped.externalPath).length, 2, "its files are the user's");
});

test("a savepoint to stop with that fails changes nothing: the job goes on [208, 247]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  await job.take();
  const outcome = await job.begin(STOP);
  await job.settle();
  job.coordinator.decline(job.tasks[1]!, 2, new Error("disk full"), "async-failure");
  await job.settle();
  equal(outcome(), "async-failure");
  equal(job.log.some((line) => line.startsWith("fail")), false);
  equal(job.coordinator.latest()!.metadata.checkpointId, 1);
  deepEqual(await job.storage.lineage(), { above: 0, origin: null });
  deepEqual(job.fs.files("/savepoints"), []);
  equal(await job.take(), 3);
});

test("a savepoint to stop with that cannot be noted fails, names its folder and keeps it; nobody commits it", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  await job.take();
  job.fs.fail({ operation: "rename", path: /_lineage/, code: "EACCES" });
  const failure = job.coordinator.trigger(STOP).catch((error: Error) => error);
  await job.settle();
  job.acknowledge(2);
  await job.settle();
  const error = await failure;
  ok(error instanceof Error);
  const [path] = job.fs.files("/savepoints");
  match(error.message, new RegExp(`"${path!.replace("/_metadata", "")}" is complete, but that could not be noted`));
  equal(job.log.some((line) => line === "complete 2"), false);
  equal(job.coordinator.latest()!.metadata.checkpointId, 1);
});

test("a drained savepoint says so, and does not make later checkpoints final", async () => {
  const job = new SimulatedJob({ timeoutMs: 100 });
  job.coordinator.start();
  const outcome = await job.begin({ ...STOP, isFinal: true });
  await job.settle();
  job.clock.advance(100);
  await job.settle();
  equal(outcome(), "expired");
  await job.take();
  equal(job.coordinator.latest()!.metadata.isFinal, false);
  const { metadata } = await takeSavepoint(job, { ...STOP, isFinal: true } as typeof SAVEPOINT);
  equal(metadata.isFinal, true);
});

test("a job whose checkpoints are in memory, or off, takes savepoints into files and makes no other folder [245]", async () => {
  const job = new SimulatedJob({}, () => new MemoryStorage());
  job.coordinator.start();
  const { externalPath } = await takeSavepoint(job);
  match(externalPath, FOLDER);
  deepEqual(await job.fs.list("/"), ["savepoints"]);
  await takeSavepoint(job, STOP);
  deepEqual(await job.fs.list("/"), ["savepoints"]);
  equal(job.coordinator.latest()!.metadata.checkpointId, 2);
});

test("a savepoint that waits or is under way when the coordinator stops fails and leaves nothing [202]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  const underWay = await job.begin(SAVEPOINT);
  await job.settle();
  const late = job.begin(SAVEPOINT);
  await job.coordinator.shutdown("suspended");
  equal(underWay(), "stopped");
  deepEqual(await job.fs.list("/savepoints"), []);
  equal((await late)(), "stopped");
  equal((await job.begin(SAVEPOINT))(), "stopped");
  deepEqual(job.fs.files("/savepoints"), []);
  deepEqual(await job.fs.list("/savepoints"), []);
});

test("a failed savepoint's folder goes though a subtask that has not heard yet makes a file in it", async () => {
  for (const [times, left] of [[4, 0], [5, 1]] as const) {
    const job = new SimulatedJob();
    job.coordinator.start();
    await job.begin(SAVEPOINT);
    job.fs.fail({ operation: "removeDirectory", code: "ENOTEMPTY", times });
    job.coordinator.decline(job.tasks[0]!, 1, new Error("no"));
    await job.settle();
    equal((await job.fs.list("/savepoints")).length, left);
    equal(job.events.some(({ kind }) => kind === "cleanup-failed"), left > 0);
  }
});

test("statistics() names what the job may go back to, and nothing else [226]", async () => {
  const job = new SimulatedJob({ retained: 2 });
  const paths = () => job.coordinator.statistics().neededPaths;
  const { externalPath: origin } = await takeSavepoint(startedJob(job.fs));
  const { restored } = await findAt(origin, { storage: job.storage, verify: () => {} });
  job.coordinator.restore({ restored, retained: [], highestId: 0, isNewest: false, isClaimed: false, others: [] });
  job.coordinator.start();
  deepEqual(paths(), [origin]);
  const chk = (id: number) => `/checkpoints/job/chk-${id}`;
  await job.take();
  deepEqual(paths(), [chk(2)]);
  await takeSavepoint(job);
  await job.take();
  await job.take();
  deepEqual(paths(), [chk(5), chk(4)]);
  const stopped = await takeSavepoint(job, STOP);
  deepEqual(paths(), [stopped.externalPath, chk(5), chk(4)]);
  await job.take();
  deepEqual(paths(), [chk(7), chk(5)]);
});

test("the error of a savepoint says that it was one", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  const done = job.coordinator.trigger(SAVEPOINT);
  await job.settle();
  job.coordinator.decline(job.tasks[0]!, 1, new Error("no"));
  await rejects(
    done,
    /^CheckpointFailedError: Cannot complete savepoint 1: subtask "source" \(1\/1\) has no snapshot: no$/,
  );
});
