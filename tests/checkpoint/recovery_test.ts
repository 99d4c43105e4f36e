import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { FilesystemStorage } from "../../checkpoint/filesystem_storage.ts";
import { findAt, findLatest, type RecoveryEvent, startAfresh, type VerifyRun } from "../../checkpoint/recovery.ts";
import { crc32 } from "../../core/bytes.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import { errorCode } from "../../core/file_system.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { seededRandom, SimulatedJob } from "./simulated_job.ts";

const JOB = "/checkpoints/job";

/** Stands for the reader of runs: here the whole file is its own footer. */
const verify: VerifyRun = (input, run) => {
  const bytes = input.read(0, input.sizeBytes);
  if (crc32(bytes) !== run.footerCrc32) throw new SnapshotCorruptError(input.path, { reason: "crc32 differs" });
};

/** Takes checkpoints 1..count, each with a shared file of its own, that of the one before, and an exclusive one. */
async function takeCheckpoints(count: number, retained = 2): Promise<SimulatedJob> {
  const job = new SimulatedJob({ retained });
  job.coordinator.start();
  let previous: Parameters<typeof run>[1][] = [];
  for (let id = 1; id <= count; id++) {
    await job.begin();
    const shared = await run(job, { id, scope: "shared" });
    const exclusive = await run(job, { id, scope: "exclusive" });
    const inline = await run(job, { id, scope: "inline" });
    const keyGroups = { start: 0, end: 127 };
    const runs = [...previous.map((one) => one.handle!), shared.handle!, exclusive.handle!, inline.handle!];
    job.acknowledge(id, "sink", {
      keyed: { keyGroups, runs, nextListNumber: 0, incrementBytes: 100, fullBytes: 200 },
      lists: {},
    });
    job.acknowledge(id, "source");
    await job.settle();
    previous = [shared];
  }
  job.fs.kill();
  return job;
}

interface Written {
  id: number;
  scope: "shared" | "exclusive" | "inline";
  handle?: import("../../core/snapshot.ts").RunHandle;
}

async function run(job: SimulatedJob, written: Written): Promise<Written> {
  const { id, scope } = written;
  const bytes = new Uint8Array(scope === "inline" ? 5 : 50).fill(id * 3 + scope.length);
  const file = await job.coordinator.store(id, job.tasks[1]!).create(scope === "inline" ? "shared" : scope);
  await file.write(bytes);
  const keyGroups = { start: 0, end: 127 };
  return {
    ...written,
    handle: { file: await file.finish(), level: 0, keyGroups, rowCount: 1, footerCrc32: crc32(bytes) },
  };
}

function recover(fs: MemoryFileSystem, events: RecoveryEvent[] = []) {
  const storage = new FilesystemStorage({
    fileSystem: fs,
    random: seededRandom(99),
    root: "/checkpoints",
    jobId: "job",
  });
  return findLatest({ storage, verify, listener: (event) => events.push(event) });
}

/** Id of the checkpoint that is restored; the error if that fails. */
async function outcome(fs: MemoryFileSystem, events: RecoveryEvent[] = []): Promise<number | "never" | "corrupt"> {
  try {
    const recovery = await recover(fs, events);
    return recovery.kind === "restored" ? recovery.restored.metadata.checkpointId : "never";
  } catch (error) {
    if (error instanceof SnapshotCorruptError) return "corrupt";
    throw error;
  }
}

test("findLatest() of a folder that is not there or empty: no checkpoint ever completed", async () => {
  deepEqual(await recover(new MemoryFileSystem()), { kind: "never-completed", highestId: 0 });
});

test("findLatest() gives the newest checkpoint, those retained, and the highest id [212]", async () => {
  const job = await takeCheckpoints(4);
  const events: RecoveryEvent[] = [];
  const recovery = await recover(job.fs, events);
  ok(recovery.kind === "restored");
  deepEqual(recovery.retained.map((checkpoint) => checkpoint.metadata.checkpointId), [3, 4]);
  equal(recovery.restored, recovery.retained[1]);
  equal(recovery.highestId, 4);
  deepEqual(recovery.restored.metadata, job.coordinator.latest()!.metadata);
  deepEqual(events, [], "nothing was left behind");
});

test("findLatest() ends with every byte of every file flipped or cut: fallback to the one before, never wrong state", async () => {
  const reference = await takeCheckpoints(3);
  // What only the newest checkpoint needs, and what both need.
  for (const path of reference.fs.files(JOB)) {
    const size = reference.fs.content(path).length;
    const isNewest = path.includes("/chk-3/");
    const isOlder = path.includes("/chk-2/");
    if (path.endsWith("_completed_once")) continue;
    for (let offset = 0; offset < size; offset += size > 100 ? 7 : 5) {
      for (const cut of [false, true]) {
        const { fs } = await takeCheckpoints(3);
        if (cut) fs.truncate(path, offset);
        else fs.flipBit(path, offset, offset % 8);
        const found = await outcome(fs);
        if (isNewest) equal(found, 2, `${path} ${offset} ${cut}`);
        else if (isOlder) equal(found, 3, `${path} ${offset} ${cut}`);
        else ok(found === 3 || found === 2 || found === "corrupt", `${path} ${offset} ${cut}`);
      }
    }
    const { fs } = await takeCheckpoints(3);
    await fs.remove(path);
    equal(await outcome(fs), isNewest ? 2 : isOlder ? 3 : await outcome(fs), path);
  }
});

test("findLatest() says loudly that it falls back, sets the damaged one aside and reuses no id", async () => {
  const job = await takeCheckpoints(3);
  job.fs.flipBit(`${JOB}/chk-3/_metadata`, 20);
  const events: RecoveryEvent[] = [];
  const recovery = await recover(job.fs, events);
  ok(recovery.kind === "restored");
  equal(recovery.restored.metadata.checkpointId, 2);
  equal(recovery.highestId, 3);
  deepEqual(events.map((event) => event.kind), ["damaged", "set-aside", "swept"]);
  equal(job.fs.has(`${JOB}/chk-3`), false);
  equal(job.fs.files(JOB).some((path) => path.includes("/damaged-chk-3-")), true);
  const again = await recover(job.fs);
  ok(again.kind === "restored");
  deepEqual([again.restored.metadata.checkpointId, again.highestId], [2, 3]);
  job.coordinator.restore(again);
  job.coordinator.start();
  await job.begin();
  equal(job.barriers.at(-1)!.checkpointId, 4);
});

test("findLatest() fails when a checkpoint has completed and none is whole", async () => {
  const job = await takeCheckpoints(3);
  for (const id of [2, 3]) job.fs.truncate(`${JOB}/chk-${id}/_metadata`, 30);
  equal(await outcome(job.fs), "corrupt");
  for (const id of [2, 3]) await job.fs.removeDirectory(`${JOB}/chk-${id}`);
  await rejects(recover(job.fs), /a checkpoint has completed here once, and none is left/);
});

test("findLatest() starts afresh when the process died while it completed its first checkpoint", async () => {
  const job = await takeCheckpoints(1);
  await job.fs.remove(`${JOB}/_completed_once`);
  equal(await outcome(job.fs), 1);
  job.fs.truncate(`${JOB}/chk-1/_metadata`, 30);
  deepEqual(await recover(job.fs), { kind: "never-completed", highestId: 1 });
});

test("findLatest() sweeps unfinished checkpoints and shared files of nobody, and nothing else", async () => {
  const job = await takeCheckpoints(3);
  const before = job.fs.files(JOB);
  job.fs.put(`${JOB}/chk-4/_metadata.part`, "half");
  job.fs.put(`${JOB}/chk-4/abc`, "file");
  job.fs.put(`${JOB}/shared/nobody`, "file");
  job.fs.put(`${JOB}/taskowned/kept`, "file");
  const events: RecoveryEvent[] = [];
  equal(await outcome(job.fs, events), 3);
  deepEqual(events, [{ kind: "swept", report: { unfinished: [`${JOB}/chk-4`], shared: ["nobody"] } }]);
  deepEqual(job.fs.files(JOB), [...before, `${JOB}/taskowned/kept`].sort());
});

test("findLatest() does not take the machine's trouble for damage", async () => {
  const job = await takeCheckpoints(2);
  job.fs.fail({ operation: "open", code: "EMFILE" });
  await rejects(recover(job.fs), (error) => errorCode(error) === "EMFILE");
  job.fs.fail({ operation: "readFile", code: "EACCES" });
  await rejects(recover(job.fs), (error) => errorCode(error) === "EACCES");
  equal(await outcome(job.fs), 2);
  job.fs.fail({ operation: "readFile", code: "EIO" });
  equal(await outcome(job.fs), 1, "a bad sector is damage");
});

test("findLatest() takes metadata under another id for damage", async () => {
  const job = await takeCheckpoints(2);
  await job.fs.rename(`${JOB}/chk-2`, `${JOB}/chk-7`);
  equal(await outcome(job.fs), 1);
});

test("findAt() takes any path, leaves everything as it is, and the next checkpoint is full [227]", async () => {
  const job = await takeCheckpoints(3);
  const before = job.fs.files(JOB);
  const storage = new FilesystemStorage({ fileSystem: job.fs, random: seededRandom(5), root: "/other", jobId: "new" });
  const found = await findAt(`${JOB}/chk-2/_metadata`, { storage, verify });
  equal(found.restored.metadata.checkpointId, 2);
  deepEqual(found.retained, []);
  const next = new SimulatedJob({}, () => storage);
  next.coordinator.restore(found);
  next.coordinator.start();
  equal(next.coordinator.statistics().restored?.checkpointId, 2);
  equal(await next.take(), 3);
  equal(next.barriers[0]!.full, true);
  await next.take();
  equal(next.barriers[1]!.full, false);
  deepEqual(job.fs.files(JOB), before);
  await rejects(
    findAt("/nowhere", { storage, verify }),
    (error) => error instanceof StreamError && error.kind === "invalid",
  );
  job.fs.flipBit(`${JOB}/chk-2/_metadata`, 50);
  await rejects(findAt(`${JOB}/chk-2`, { storage, verify }), SnapshotCorruptError);
});

test("a fallback keeps shared files that the damaged checkpoint also used, and later ones do not delete them", async () => {
  const job = await takeCheckpoints(3);
  job.fs.flipBit(`${JOB}/chk-3/_metadata`, 20);
  const recovery = await recover(job.fs);
  ok(recovery.kind === "restored");
  const runs = recovery.restored.metadata.operators[0]!.subtasks[0]!.snapshot!.keyed!.runs;
  const shared = runs.filter((one) => one.file.scope === "shared");
  equal(shared.length, 2);
  for (const one of shared) equal(one.file.scope === "shared" && job.fs.has(`${JOB}/shared/${one.file.name}`), true);
  equal(job.fs.files(`${JOB}/shared`).length, 2);
});

test("findLatest() after a start from elsewhere never falls back to checkpoints from before, and keeps their files", async () => {
  const job = await takeCheckpoints(3);
  const own = () =>
    new FilesystemStorage({ fileSystem: job.fs, random: seededRandom(8), root: "/checkpoints", jobId: "job" });
  const before = job.fs.files(JOB);
  const found = await findAt(`${JOB}/chk-2`, { storage: own(), verify });
  const next = new SimulatedJob({}, () => own());
  next.coordinator.restore(found);
  await next.coordinator.beginLineage();
  await rejects(recover(job.fs), /none has completed since the job was started from "\/checkpoints\/job\/chk-2"/);
  next.coordinator.start();
  equal(await next.take(), 4);
  deepEqual(job.fs.files(JOB).filter((path) => !/chk-4|_lineage/.test(path)), before);
  const recovery = await recover(job.fs);
  ok(recovery.kind === "restored");
  deepEqual(recovery.retained.map((checkpoint) => checkpoint.metadata.checkpointId), [4]);
  deepEqual(job.fs.files(JOB).filter((path) => !/chk-4|_lineage/.test(path)), before);
  job.fs.flipBit(`${JOB}/chk-4/_metadata`, 30);
  equal(await outcome(job.fs), "corrupt", "not 3, which had other input");
});

test("startAfresh() refuses a folder with checkpoints, and never falls back to leftovers without a marker", async () => {
  const job = await takeCheckpoints(1);
  const storage = new FilesystemStorage({
    fileSystem: job.fs,
    random: seededRandom(8),
    root: "/checkpoints",
    jobId: "job",
  });
  await rejects(startAfresh({ storage }), /holds checkpoints of an earlier run.*--from latest/);
  await job.fs.remove(`${JOB}/_completed_once`);
  equal(await startAfresh({ storage }), 1);
  deepEqual(await recover(job.fs), { kind: "never-completed", highestId: 1 });
});

test("a damaged lineage is noticed", async () => {
  const job = await takeCheckpoints(1);
  const storage = new FilesystemStorage({
    fileSystem: job.fs,
    random: seededRandom(8),
    root: "/checkpoints",
    jobId: "job",
  });
  await storage.beginLineage({ above: 1, origin: "/somewhere" });
  const size = job.fs.content(`${JOB}/_lineage`).length;
  for (let offset = 0; offset < size; offset++) {
    job.fs.flipBit(`${JOB}/_lineage`, offset);
    await rejects(storage.lineage(), SnapshotCorruptError, `byte ${offset}`);
    job.fs.flipBit(`${JOB}/_lineage`, offset);
  }
});
