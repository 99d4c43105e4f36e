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
const CONFIG = { "execution.checkpointing.interval": 5, "execution.checkpointing.incremental": true };

/** What the disk holds before one operation. */
interface CrashState {
  readonly index: number;
  readonly what: string;
  readonly files: MemoryFileSystem;
  /** Highest id of a checkpoint whose completion has been told. */
  readonly completedId: number;
}

/** Runs the job to its end, or to its tenth checkpoint, and keeps what the disk holds before each change of it. */
async function record(config: Readonly<Record<string, string | number | boolean>>): Promise<CrashState[]> {
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

test("whatever a kill or power cut leaves of ten incremental checkpoints restarts into the newest or the one before", async () => {
  const states = await record(CONFIG);
  ok(states.at(-1)!.completedId >= 10, `only ${states.at(-1)!.completedId} checkpoints`);
  const { pages } = oracle(COUNT);
  for (let i = 0; i < states.length; i += scaled(7, 1)) {
    for (const [cut, strike] of CUTS) {
      const { what, files, completedId } = states[i]!;
      const left = files.fork();
      strike(left, i);
      const context = `${cut} at ${what}`;
      deepEqual(reachability(left).missing, [], context);
      const world = new TestWorld(CONFIG, 2 + i, left);
      const process = await world.start((env) => ledger(env, { count: COUNT }), { argv: ["--from", "latest"] });
      await process.until(() => process.job.progress().state !== "starting");
      const restored = process.job.checkpoints?.restored?.checkpointId ?? 0;
      ok(
        restored >= completedId && restored <= completedId + 1,
        `${context}: ${restored}, completed was ${completedId}`,
      );
      const { unreachable } = reachability(left);
      ok(unreachable.length === 0, `${context}: ${unreachable.join(" ")}`);
      const outcome = await process.end();
      if (outcome.kind === "failed") throw new Error(context, { cause: outcome.error });
      deepEqual(pagesIn(left), pages, context);
      deepEqual(left.files(PAGES).filter((path) => /\/\./.test(path)), [], context);
    }
  }
});
