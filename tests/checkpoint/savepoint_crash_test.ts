/**
 * Kills and power cuts between any two file operations of a savepoint, and of
 * the removal of one: there is a whole savepoint or none, and checkpoints are
 * as if it had never been asked for.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { disposeSavepoint } from "../../checkpoint/disposal.ts";
import { FilesystemStorage } from "../../checkpoint/filesystem_storage.ts";
import { findAt, findLatest, type VerifyRun } from "../../checkpoint/recovery.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import type { MemoryFileSystem } from "../support/memory_file_system.ts";
import { SAVEPOINT, seededRandom, SimulatedJob, STOP, writeRun } from "./simulated_job.ts";

const BYTES = new Uint8Array(100).fill(5);
const NOTES = "/savepoints/notes.txt";

/** Every file has the same bytes. */
const verify: VerifyRun = (input) => {
  if (input.read(0, input.sizeBytes).every((byte) => byte === 5)) return;
  throw new SnapshotCorruptError(input.path, { reason: "other bytes than were written" });
};

/** What the disk holds before one operation, and what was told by then. */
interface CrashState {
  readonly what: string;
  readonly files: MemoryFileSystem;
  readonly log: readonly string[];
  readonly isTold: boolean;
}

/** What a kill, or a power cut, makes of a state. */
const CUTS: readonly ((files: MemoryFileSystem, seed: number) => void)[] = [
  (files) => files.kill(),
  (files) => files.crash(),
  (files, seed) => files.crash({ random: seededRandom(seed).next }),
];

async function take(job: SimulatedJob, properties: Parameters<SimulatedJob["begin"]>[0] = {}): Promise<string> {
  const done = job.coordinator.trigger(properties);
  await job.settle();
  const { checkpointId, type } = job.barriers.at(-1)!;
  const store = job.coordinator.store(checkpointId, job.tasks[1]!);
  const one = await writeRun(store, "exclusive", BYTES);
  const two = await writeRun(store, type === "savepoint" ? "exclusive" : "shared", BYTES);
  const keyed: KeyedStateHandle = { ...one, runs: [...one.runs, ...two.runs] };
  job.acknowledge(checkpointId, "sink", { keyed, lists: {} });
  job.acknowledge(checkpointId, "source");
  await job.settle();
  return (await done).externalPath;
}

/** Runs `work` on a job with two checkpoints, and keeps what the disk holds before each operation of it. */
async function record(
  prepare: (job: SimulatedJob) => Promise<void>,
  work: (job: SimulatedJob) => Promise<void>,
): Promise<CrashState[]> {
  const job = new SimulatedJob({ retained: 2 });
  job.coordinator.start();
  job.fs.put(NOTES, BYTES);
  for (let id = 1; id <= 2; id++) await take(job);
  await prepare(job);
  const states: CrashState[] = [];
  let isTold = false;
  job.fs.onOperation = (operation, path) => {
    const what = `${states.length}: before ${operation} ${path}`;
    states.push({ what, files: job.fs.fork(), log: [...job.log], isTold });
  };
  await work(job);
  isTold = true;
  await job.fs.status("/");
  return states;
}

/** Runs a check on every state after every cut. */
async function afterEachCut(
  states: readonly CrashState[],
  check: (files: MemoryFileSystem, state: CrashState) => Promise<void>,
): Promise<void> {
  for (const [index, state] of states.entries()) {
    for (const cut of CUTS) {
      const files = state.files.fork();
      cut(files, index + 1);
      await check(files, state);
    }
  }
}

function storageOf(files: MemoryFileSystem): FilesystemStorage {
  return new FilesystemStorage({ fileSystem: files, random: seededRandom(77), root: "/checkpoints", jobId: "job" });
}

/** Folders below the target that hold metadata: each must be whole. */
async function wholeSavepoints(files: MemoryFileSystem): Promise<string[]> {
  const paths = files.files("/savepoints").filter((path) => path.endsWith("/_metadata"));
  for (const path of paths) {
    const { restored } = await findAt(path, { storage: storageOf(files), verify });
    equal(restored.metadata.type, "savepoint");
  }
  return paths.map((path) => path.slice(0, path.lastIndexOf("/")));
}

test("a savepoint cut short anywhere is whole or not there, and harms no checkpoint", async () => {
  const states = await record(() => Promise.resolve(), async (job) => {
    await take(job, SAVEPOINT);
  });
  ok(states.length > 15);
  await afterEachCut(states, async (files, { what, isTold }) => {
    const savepoints = await wholeSavepoints(files);
    if (isTold) equal(savepoints.length, 1, what);
    const recovery = await findLatest({ storage: storageOf(files), verify });
    ok(recovery.kind === "restored", what);
    deepEqual(recovery.retained.map(({ metadata }) => metadata.checkpointId), [1, 2], what);
    ok(files.has(NOTES));
  });
});

test("a savepoint beside a checkpoint, cut short anywhere, harms neither", async () => {
  const states = await record(() => Promise.resolve(), async (job) => {
    await job.begin(SAVEPOINT);
    await job.begin();
    const [savepoint, checkpoint] = job.barriers.slice(-2).map(({ checkpointId }) => checkpointId);
    for (const id of [savepoint!, checkpoint!]) {
      const store = job.coordinator.store(id, job.tasks[1]!);
      const keyed = await writeRun(store, id === savepoint ? "exclusive" : "shared", BYTES);
      job.acknowledge(id, "sink", { keyed, lists: {} });
    }
    for (const id of [savepoint!, checkpoint!]) job.acknowledge(id, "source");
    await job.settle();
  });
  await afterEachCut(states, async (files, { what, isTold }) => {
    const savepoints = await wholeSavepoints(files);
    if (isTold) equal(savepoints.length, 1, what);
    const recovery = await findLatest({ storage: storageOf(files), verify });
    ok(recovery.kind === "restored", what);
    equal(recovery.restored.metadata.checkpointId === 4 || !isTold, true, what);
  });
});

test("a savepoint to stop with, cut short anywhere: the newest checkpoint goes on, or the savepoint is named", async () => {
  const states = await record(() => Promise.resolve(), async (job) => {
    await take(job, STOP);
  });
  let namedCount = 0;
  await afterEachCut(states, async (files, { what, isTold, log }) => {
    const savepoints = await wholeSavepoints(files);
    if (isTold) equal(savepoints.length, 1, what);
    const isCommitted = log.includes("complete 3");
    const recovery = await findLatest({ storage: storageOf(files), verify }).catch((error: unknown) => error);
    if (recovery instanceof Error) {
      ok(recovery instanceof StreamError && recovery.kind === "invalid", what);
      ok(savepoints.some((path) => recovery.message.includes(`--from "${path}"`)), `${what}: ${recovery.message}`);
      namedCount++;
      return;
    }
    equal(isCommitted, false, `${what}: an older checkpoint after the savepoint was committed`);
  });
  ok(namedCount > 0);
});

test("the removal of a savepoint, cut short anywhere, leaves it whole or not there, and nothing else touched", async () => {
  let path = "";
  const states = await record(
    async (job) => {
      path = await take(job, SAVEPOINT);
      job.fs.put(`${path}/theirs`, BYTES);
    },
    async (job) => {
      const report = await disposeSavepoint(path, { fileSystem: job.fs });
      deepEqual(report, { path, removedCount: 3, keptSharedCount: 0, isFolderGone: false });
    },
  );
  await afterEachCut(states, async (files, { what, isTold }) => {
    const savepoints = await wholeSavepoints(files);
    if (isTold) equal(savepoints.length, 0, what);
    for (const theirs of [NOTES, `${path}/theirs`]) ok(files.has(theirs), what);
    const recovery = await findLatest({ storage: storageOf(files), verify });
    ok(recovery.kind === "restored" && recovery.restored.metadata.checkpointId === 2, what);
  });
});
