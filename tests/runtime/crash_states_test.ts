/**
 * Power cuts and kills between any two file operations of ten incremental checkpoints in a row: what is left always
 * restarts into the newest complete checkpoint or the one before it, and nothing is lost or left behind.
 */
import { deepEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { decodeMetadata } from "../../checkpoint/metadata_reader.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { CHECKPOINTS, TestWorld } from "../support/job_harness.ts";
import { ledger, oracle, PAGES, pagesIn } from "../support/ledger_pipeline.ts";
import type { MemoryFileSystem } from "../support/memory_file_system.ts";
import { scaled } from "../support/scale.ts";

const COUNT = 300;
/** Operations that change nothing need no state of their own. */
const CHANGES = new Set(["create", "write", "sync", "rename", "link", "remove", "removeDirectory", "makeDirectory"]);
type Config = Readonly<Record<string, string | number | boolean>>;
const HEAP: Config = { "execution.checkpointing.interval": 5, "execution.checkpointing.incremental": true };
/** Where state on disk works. */
const WORK = "/work";
/** So little memory that most checkpoints have several new files, and that files are merged. */
const LSM: Config = {
  ...HEAP,
  "state.backend.type": "lsm",
  "state.backend.lsm.memory.fixed-per-slot": "8 kb",
  "state.backend.lsm.localdir": WORK,
};

/** What the disk holds before one operation. */
interface CrashState {
  readonly index: number;
  readonly what: string;
  readonly files: MemoryFileSystem;
  /** Highest id of a checkpoint whose completion has been told. */
  readonly completedId: number;
}

/** Runs the job to its end, or to its tenth checkpoint, and keeps what the disk holds before each change of it. */
async function record(config: Config): Promise<CrashState[]> {
  const world = new TestWorld(config);
  const process = await world.start((env) => ledger(env, { count: COUNT }));
  const states: CrashState[] = [];
  let index = 0;
  world.fileSystem.onOperation = (operation, path) => {
    if (!CHANGES.has(operation) && operation !== "syncDirectory") return;
    const what = `${index}: before ${operation} ${path}`;
    states.push({
      index: index++,
      what,
      files: world.fileSystem.fork(),
      completedId: process.job.progress().lastCheckpoint?.id ?? 0,
    });
  };
  const outcome = await process.end();
  if (outcome.kind === "failed") throw outcome.error;
  return states;
}

/** What a power cut, or a kill, makes of a state. */
const CUTS: readonly (readonly [string, (files: MemoryFileSystem, seed: number) => void])[] = [
  ["a kill", (files) => files.kill()],
  ["a power cut that loses all that is not synced", (files) => files.crash()],
  ["a power cut that loses some of it", (files, seed) => {
    const random = new SeededRandom(seed);
    files.crash({ random: () => random.next() });
  }],
];

/** Files of checkpoints that no complete checkpoint refers to, and those that one refers to and that are not there. */
function reachability(files: MemoryFileSystem): { readonly missing: string[]; readonly unreachable: string[] } {
  const all = files.has(CHECKPOINTS) ? files.files(CHECKPOINTS) : [];
  const reachable = new Set<string>();
  for (const path of all) {
    const job = /^(.*)\/chk-\d+\/_metadata$/.exec(path)?.[1];
    if (job === undefined) continue;
    reachable.add(path);
    const folder = path.slice(0, path.lastIndexOf("/"));
    for (const { subtasks } of decodeMetadata(files.content(path), path).operators) {
      for (const run of subtasks.flatMap((subtask) => subtask.snapshot?.keyed?.runs ?? [])) {
        if (run.file.scope === "shared") reachable.add(`${job}/shared/${run.file.name}`);
        if (run.file.scope === "exclusive") reachable.add(`${folder}/${run.file.name}`);
      }
    }
  }
  const known = /\/(_completed_once|_lineage|_lock)$/;
  return {
    missing: [...reachable].filter((path) => !files.has(path)),
    unreachable: all.filter((path) => !reachable.has(path) && !known.test(path)),
  };
}

/** Working folders of processes, dead and alive. */
async function foldersIn(files: MemoryFileSystem): Promise<string[]> {
  return files.has(WORK) ? await files.list(WORK) : [];
}

/** Starts the job on what is left, and looks at what it makes of that. */
async function restart(config: Config, state: CrashState, left: MemoryFileSystem, context: string): Promise<void> {
  const { index, completedId } = state;
  deepEqual(reachability(left).missing, [], context);
  const dead = await foldersIn(left);
  const world = new TestWorld(config, 2 + index, left);
  const process = await world.start((env) => ledger(env, { count: COUNT }), { argv: ["--from", "latest"] });
  await process.until(() => process.job.progress().state !== "starting");
  const restored = process.job.checkpoints?.restored?.checkpointId ?? 0;
  ok(restored >= completedId && restored <= completedId + 1, `${context}: ${restored}, completed was ${completedId}`);
  const { unreachable } = reachability(left);
  ok(unreachable.length === 0, `${context}: ${unreachable.join(" ")}`);
  const working = await foldersIn(left);
  deepEqual(dead.filter((folder) => working.includes(folder)), [], `${context}: folders of the dead process`);
  const outcome = await process.end();
  if (outcome.kind === "failed") throw new Error(context, { cause: outcome.error });
  deepEqual(pagesIn(left), oracle(COUNT).pages, context);
  deepEqual(left.files(PAGES).filter((path) => /\/\./.test(path)), [], context);
  deepEqual(await foldersIn(left), [], context);
}

/** Backend, its configuration, and of how many states one is tried in a short run. */
const JOBS: readonly (readonly [name: string, config: Config, every: number])[] = [
  ["heap", HEAP, 11],
  ["lsm", LSM, 83],
  ["lsm that copies its files", { ...LSM, "state.backend.checkpoint-transfer": "copy" }, 167],
];

for (const [name, config, every] of JOBS) {
  const what = `ten incremental checkpoints of ${name} restarts into the newest or the one before`;
  test(`whatever a kill or power cut leaves of ${what}`, { timeout: scaled(60_000, 900_000) }, async () => {
    const states = await record(config);
    if (config !== HEAP) {
      const files = states.filter(({ what }) => new RegExp(`before create ${WORK}/.*/.*/`).test(what)).length;
      ok(files >= 30, `the job has written no more than ${files} files of state`);
    }
    ok(states.at(-1)!.completedId >= 10, `only ${states.at(-1)!.completedId} checkpoints`);
    for (let i = 0; i < states.length; i += scaled(every, 1)) {
      for (const [cut, strike] of CUTS) {
        const left = states[i]!.files.fork();
        strike(left, i);
        await restart(config, states[i]!, left, `${cut} at ${states[i]!.what}`);
      }
    }
  });
}
