import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { SnapshotCorruptError } from "../../core/errors.ts";
import { StreamError } from "../../mod.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { CHECKPOINTS, type Outcome, TestWorld } from "../support/job_harness.ts";
import { ledger, oracle, pagesIn } from "../support/ledger_pipeline.ts";
import type { MemoryFileSystem } from "../support/memory_file_system.ts";
import { Saboteur } from "../support/saboteur.ts";
import { longRun, scaled } from "../support/scale.ts";

const COUNT = 240;
const PAGES = oracle(COUNT).pages;

interface Scene {
  readonly config: Readonly<Record<string, string | number | boolean>>;
  /** Every file that the killed job has left. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Those of its checkpoints. */
  readonly targets: readonly string[];
  readonly newestId: number;
}

/** A job that was killed between two checkpoints. */
async function killedJob(config: Scene["config"]): Promise<Scene> {
  const world = new TestWorld(config);
  const perMs = 2 / Number(config["parallelism.default"] ?? 1);
  const process = await world.start((env) => ledger(env, { count: COUNT, perMs }));
  await process.forMs(75);
  equal(process.outcome, null, "it has ended too soon");
  const newestId = process.job.checkpoints!.latestCompleted!.checkpointId!;
  process.kill();
  const files = new Map(world.fileSystem.files().map((path) => [path, world.fileSystem.content(path)]));
  const targets = [...files.keys()].filter((path) => path.startsWith(CHECKPOINTS));
  return { config, files, targets, newestId };
}

/** Damages what the job has left, and starts it again. */
async function runDamaged(
  { config, files }: Scene,
  damage: (fileSystem: MemoryFileSystem) => void,
  argv: readonly string[] = ["--from", "latest"],
): Promise<{ readonly outcome: Outcome; readonly world: TestWorld }> {
  const world = new TestWorld(config);
  for (const [path, bytes] of files) world.fileSystem.put(path, bytes);
  damage(world.fileSystem);
  const outcome = await world.run((env) => ledger(env, { count: COUNT, perMs: 6 }), { argv });
  equal(world.fileSystem.openCount, 0);
  return { outcome, world };
}

type Verdict = "right" | "corrupt";

/** Either the output is right or the job has refused to start; anything else is a failure of the test. */
async function verdict(
  scene: Scene,
  context: string,
  damage: (fileSystem: MemoryFileSystem) => void,
): Promise<Verdict> {
  const { outcome, world } = await runDamaged(scene, damage);
  if (outcome.kind === "ended") {
    equal(outcome.result.restarts, 0, context);
    deepEqual(pagesIn(world.fileSystem), PAGES, context);
    return "right";
  }
  if (outcome.kind !== "failed") throw new Error(`${context}: ${outcome.kind}`);
  const { error } = outcome;
  ok(error instanceof StreamError, `${context}: ${error}`);
  equal(error.kind, "corrupt", `${context}: ${error}`);
  // Nothing is committed, moved or removed by a start that fails.
  for (const page of pagesIn(world.fileSystem)) ok(PAGES.includes(page), context);
  return "corrupt";
}

const SCENES: Readonly<Record<string, Scene["config"]>> = {
  "increments in files": {},
  "full snapshots in files": { "execution.checkpointing.incremental": false },
  "snapshots within the metadata": { "execution.checkpointing.data-inline-threshold": 20_480 },
  "three subtasks": { "parallelism.default": 3 },
  "state in sorted files": {
    "state.backend.type": "lsm",
    "state.backend.lsm.memory.fixed-per-slot": "8 kb",
    "state.backend.lsm.localdir": "/work",
  },
};
const RETAINED = "execution.checkpointing.num-retained";

/** Every nth place of a file, and always the first and the last ones. */
function places(size: number, every: number, random: SeededRandom): number[] {
  const chosen = new Set<number>();
  for (let place = Math.floor(random.next() * every); place < size; place += every) chosen.add(place);
  for (const place of [0, 1, size - 2, size - 1]) if (place >= 0) chosen.add(place);
  return [...chosen].sort((a, b) => a - b);
}

/** The files that are damaged one after the other: in a short run not many. */
function tried({ targets }: Scene): readonly string[] {
  const every = longRun ? 1 : Math.ceil(targets.length / 5);
  return targets.filter((_, i) => i % every === 0);
}

for (const [name, config] of Object.entries(SCENES)) {
  for (const retained of [1, 2]) {
    const options = { timeout: scaled(60_000, 900_000) };
    test(`any byte flipped in the files of ${retained} checkpoints is noticed, with ${name}`, options, async () => {
      const scene = await killedJob({ ...config, [RETAINED]: retained });
      const random = new SeededRandom(retained);
      const verdicts = { right: 0, corrupt: 0 };
      for (const path of tried(scene)) {
        const size = scene.files.get(path)!.length;
        const every = longRun ? 1 : Math.max(1, Math.floor(size / 12));
        for (const offset of size === 0 ? [] : places(size, every, random)) {
          const bit = Math.floor(random.next() * 8);
          verdicts[
            await verdict(scene, `${path}, byte ${offset}, bit ${bit}`, (fs) => fs.flipBit(path, offset, bit))
          ]++;
        }
      }
      // With one checkpoint every damage of it ends the job; with a second one the newest can be given up.
      if (retained === 1) equal(verdicts.right, 0);
      else ok(verdicts.right > 0, "never fell back");
    });

    test(`any file cut, grown or missing of ${retained} checkpoints is noticed, with ${name}`, options, async () => {
      const scene = await killedJob({ ...config, [RETAINED]: retained });
      const random = new SeededRandom(retained);
      const verdicts = { right: 0, corrupt: 0 };
      for (const path of tried(scene)) {
        const bytes = scene.files.get(path)!;
        const every = longRun ? Math.max(1, Math.floor(bytes.length / 200)) : Math.max(1, Math.floor(bytes.length / 6));
        for (const length of bytes.length === 0 ? [] : places(bytes.length, every, random)) {
          verdicts[await verdict(scene, `${path} cut to ${length}`, (fs) => fs.truncate(path, length))]++;
        }
        const longer = new Uint8Array(bytes.length + 1);
        longer.set(bytes);
        await verdict(scene, `${path} grown`, (fs) => fs.put(path, longer));
        await verdict(scene, `${path} missing`, (fs) => void fs.remove(path));
      }
      if (retained === 1) equal(verdicts.right, 0);
      else ok(verdicts.right > 0, "never fell back");
    });
  }
}

test("a damaged newest checkpoint is always given up for a whole older one", async () => {
  const scene = await killedJob({});
  const newest = scene.targets.filter((path) => path.includes(`/chk-${scene.newestId}/`));
  ok(newest.some((path) => path.endsWith("/_metadata")));
  for (const path of newest) {
    equal(await verdict(scene, `${path} missing`, (fs) => void fs.remove(path)), "right");
    equal(await verdict(scene, `${path} empty`, (fs) => fs.truncate(path, 0)), "right");
    equal(await verdict(scene, `${path} flipped`, (fs) => fs.flipBit(path, 20)), "right");
  }
});

test("--from <path> of a damaged checkpoint fails with what is wrong, and falls back to nothing", async () => {
  const scene = await killedJob({});
  const metadata = scene.targets.find((path) => path.endsWith(`/chk-${scene.newestId}/_metadata`))!;
  const argv = ["--from", metadata.replace("/_metadata", "")];
  const whole = await runDamaged(scene, () => {}, argv);
  equal(whole.outcome.kind, "ended");
  const size = scene.files.get(metadata)!.length;
  for (const offset of [0, Math.floor(size / 2), size - 1]) {
    const { outcome } = await runDamaged(scene, (fs) => fs.flipBit(metadata, offset), argv);
    ok(outcome.kind === "failed" && outcome.error instanceof SnapshotCorruptError, String(offset));
  }
  const { outcome } = await runDamaged(scene, (fs) => void fs.remove(metadata), argv);
  ok(outcome.kind === "failed" && outcome.error instanceof StreamError && outcome.error.kind === "invalid");
});

test("a job that was started --from <path> falls back among checkpoints of its own", async () => {
  const scene = await killedJob({ "execution.checkpointing.incremental": false });
  const metadata = scene.targets.find((path) => path.endsWith(`/chk-${scene.newestId}/_metadata`))!;
  const world = new TestWorld(scene.config);
  for (const [path, bytes] of scene.files) world.fileSystem.put(path, bytes);
  const saboteur = new Saboteur();
  const process = await world.start((env) => ledger(env, { count: COUNT, perMs: 0.5, saboteur }), {
    argv: ["--from", metadata.replace("/_metadata", "")],
  });
  await process.until(() => (process.job.checkpoints?.counts.completed ?? 0) >= 2);
  const { checkpointId } = process.job.checkpoints!.latestCompleted!;
  const snapshots = world.fileSystem.files(CHECKPOINTS).filter((path) =>
    path.includes(`/chk-${checkpointId}/`) && !path.endsWith("/_metadata")
  );
  ok(snapshots.length > 0);
  for (const path of snapshots) world.fileSystem.flipBit(path, 20);
  saboteur.arm("source read");
  const outcome = await process.end();
  equal(outcome.kind, "ended", String(outcome.kind === "failed" && outcome.error));
  equal(process.job.progress().restarts, 1);
  ok(world.fileSystem.files(CHECKPOINTS).some((path) => path.includes("damaged")), "nothing was set aside");
  deepEqual(pagesIn(world.fileSystem), PAGES);
});
