/** Whole jobs whose working files are harmed: a full disk, a deleted file, a flipped bit; never a wrong value. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { SnapshotCorruptError, WorkingFileError } from "../../core/errors.ts";
import { collectSink, fixedDelay, noRestart, type RestartSettings } from "../../mod.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { CHECKPOINTS, failureOf, type Outcome, type TestProcess, TestWorld } from "../support/job_harness.ts";
import { leftovers, overwrites } from "../support/overwrites_pipeline.ts";
import { scaled } from "../support/scale.ts";

type Config = Readonly<Record<string, string | number | boolean>>;

/** So little memory that values are read from files, and files merged. */
const CONFIG: Config = {
  "state.backend.type": "lsm",
  "state.backend.lsm.memory.fixed-per-slot": "64 kb",
  "state.backend.lsm.localdir": "/work",
  "execution.checkpointing.interval": 8,
  "execution.checkpointing.num-retained": 3,
};
const COPY: Config = { ...CONFIG, "state.backend.checkpoint-transfer": "copy" };
const AGAIN = fixedDelay({ attempts: 3, delayMs: 5 });
const TIMEOUT = { timeout: scaled(60_000, 600_000) };
const OF_STATE = /^\/work\/weir-/;

/** A job that is harmed in the middle. */
class HarmedJob {
  readonly world: TestWorld;
  readonly #out = collectSink<string>();

  constructor(config: Config, readonly seed: number) {
    this.world = new TestWorld(config, seed);
  }

  /** Runs it; `harm` comes a while after so many checkpoints have completed. */
  async run(
    checkpoints: number,
    harm: (job: HarmedJob) => void,
    restart: RestartSettings = AGAIN,
  ): Promise<{ readonly outcome: Outcome; readonly process: TestProcess }> {
    const process = await this.world.start((env) => overwrites(env, this.#out, 40), { restart });
    await process.until(() => (process.job.checkpoints?.counts.completed ?? 0) >= checkpoints);
    await process.forMs(this.seed % 7);
    equal(process.outcome, null);
    harm(this);
    const outcome = await process.end();
    this.world.fileSystem.heal();
    await process.forMs(50);
    equal(this.world.fileSystem.openCount, 0);
    return { outcome, process };
  }

  /** Files that state works on now. */
  get files(): string[] {
    return this.world.fileSystem.files("/work").filter((path) => this.world.fileSystem.content(path).length > 0);
  }

  checkOutput(context: string): void {
    deepEqual([...this.#out.values].sort(), leftovers(), context);
  }
}

test("a disk that is full in a flush or a merge ends the job with the file and the remedy", TIMEOUT, async () => {
  for (const operation of ["create", "write"] as const) {
    const job = new HarmedJob(CONFIG, 1);
    const harm = () => job.world.fileSystem.fail({ operation, path: OF_STATE, code: "ENOSPC" });
    const { outcome } = await job.run(3, harm, noRestart());
    const error = failureOf(outcome, operation);
    equal(error.kind, "unavailable");
    match(
      error.message,
      /Cannot write "\/work\/weir-.*": the disk is full; free space and start again from a checkpoint/,
    );
  }
});

test(
  "a disk that is full for a while in a flush or a merge costs a restart, and the output is right",
  TIMEOUT,
  async () => {
    let restarts = 0;
    for (let after = 0; after < 60; after += scaled(23, 1)) {
      for (const operation of ["create", "write"] as const) {
        const context = `${operation} after ${after}`;
        const job = new HarmedJob(CONFIG, 1);
        const harm = () => job.world.fileSystem.fail({ operation, path: OF_STATE, code: "ENOSPC", after });
        const { outcome, process } = await job.run(2, harm);
        if (outcome.kind === "failed") throw new Error(context, { cause: outcome.error });
        job.checkOutput(context);
        restarts += process.job.progress().restarts;
      }
    }
    ok(restarts > scaled(2, 60), `${restarts} restarts`);
  },
);

test("a file that is deleted under the job costs a restart at most, and the output is right", TIMEOUT, async () => {
  let restarts = 0;
  for (let sample = 0; sample < scaled(8, 100); sample++) {
    const job = new HarmedJob(sample % 2 === 0 ? CONFIG : COPY, sample);
    const { outcome, process } = await job.run(1 + sample % 4, ({ files, world }) => {
      for (const path of files) world.fileSystem.removeSync(path);
    });
    if (outcome.kind === "failed") throw new Error(`sample ${sample}`, { cause: outcome.error });
    job.checkOutput(`sample ${sample}`);
    restarts += process.job.progress().restarts;
  }
  ok(restarts > 0, "no deletion was noticed");
});

test("a file that is deleted before a checkpoint has it ends the job with its name", TIMEOUT, async () => {
  for (const config of [CONFIG, COPY]) {
    const job = new HarmedJob(config, 5);
    let deleted: string[] = [];
    const harm = () => {
      deleted = job.files;
      for (const path of deleted) job.world.fileSystem.removeSync(path);
    };
    const error = failureOf((await job.run(2, harm, noRestart())).outcome, "noticed");
    ok(deleted.some((path) => error.message.includes(path)), error.message);
  }
});

/** Flips a bit of a file that state works on. */
function flip({ files, world }: HarmedJob, random: SeededRandom): string {
  const path = files[Math.floor(random.next() * files.length)]!;
  const offset = Math.floor(random.next() * world.fileSystem.content(path).length);
  world.fileSystem.flipBit(path, offset, Math.floor(random.next() * 8));
  return path;
}

test(
  "a bit that flips in a file of the running job is noticed when it is read: the job names the file",
  TIMEOUT,
  async () => {
    const random = new SeededRandom(3);
    let noticed = 0;
    for (let sample = 0; sample < scaled(4, 100); sample++) {
      const job = new HarmedJob(COPY, sample);
      let path = "";
      const { outcome } = await job.run(2 + sample % 4, () => path = flip(job, random), noRestart());
      if (outcome.kind === "ended") {
        job.checkOutput(path); // Nobody has read it.
        continue;
      }
      const error = failureOf(outcome, path);
      equal(error.kind, "unavailable", String(error));
      equal(WorkingFileError.in(error)?.path, path);
      ok(error.message.includes(path), error.message);
      noticed++;
    }
    ok(noticed > 0, "no bit was noticed");
  },
);

for (const [name, config] of [["copies", COPY], ["links", CONFIG]] as const) {
  test(
    `a bit that flips in a file of the running job never leads to a wrong value, with checkpoints of ${name}`,
    TIMEOUT,
    async () => {
      const random = new SeededRandom(5);
      const counts = { unread: 0, restarted: 0, fallenBack: 0, refused: 0 };
      for (let sample = 0; sample < scaled(6, 200); sample++) {
        const job = new HarmedJob(config, sample);
        let path = "";
        const { outcome, process } = await job.run(2 + sample % 4, () => path = flip(job, random));
        if (outcome.kind === "failed") {
          // The damage was in every checkpoint.
          ok(outcome.error instanceof SnapshotCorruptError, `${path}: ${outcome.error}`);
          counts.refused++;
          continue;
        }
        equal(outcome.kind, "ended");
        job.checkOutput(path);
        const isSetAside = job.world.fileSystem.files(CHECKPOINTS).some((file) => file.includes("damaged"));
        if (isSetAside) counts.fallenBack++;
        else if (process.job.progress().restarts > 0) counts.restarted++;
        else counts.unread++;
      }
      ok((name === "links" ? counts.fallenBack : counts.restarted) > 0, JSON.stringify(counts));
    },
  );
}
