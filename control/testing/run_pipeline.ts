/**
 * Runs a whole pipeline to its end, in virtual time and with files in memory, with failures where the test wants them.
 *
 * Called by: users' tests, through `testing.ts`.
 * Calls: control/testing/virtual_world.ts, runtime/testing/paced_source.ts.
 *
 * @module
 */
import type { JobResult } from "../../runtime/job_progress.ts";
import { fixedDelay, noRestart, type RestartSettings } from "../../runtime/restart_strategy.ts";
import { paceSources } from "../../runtime/testing/paced_source.ts";
import { type Duration, durationMs } from "../../runtime/windows/duration.ts";
import type { StreamEnvironment } from "../stream_environment.ts";
import { type PipelineFailure, PlannedFailures } from "./planned_failures.ts";
import { TIME_LIMIT_MS, type VirtualProcess } from "./virtual_process.ts";
import { VirtualWorld, type WorldConfig } from "./virtual_world.ts";

/** Milliseconds until a job that failed as planned is tried again. */
const RESTART_DELAY_MS = 10;
const CHECKPOINTS = "/checkpoints";
/** Where state in files is worked on. */
const WORK = "/work";
/** Memory of a slot; little, so that state goes to files even in a small test. */
const SLOT_MEMORY = "1 mb";

/** How a pipeline is run. */
export interface PipelineRunOptions {
  /** Default 1. */
  readonly parallelism?: number;
  /** Where state is kept. Default "heap". */
  readonly backend?: "heap" | "lsm";
  /** Virtual time between two checkpoints. Default "100 ms". */
  readonly checkpointInterval?: Duration;
  /** Records a second of virtual time that each subtask of a source reads at most, > 0. Default 1,000. */
  readonly recordsPerSecond?: number;
  /** Failures to come; a number stands for the failure of an attempt after so many records. */
  readonly failAt?: number | PipelineFailure | readonly (number | PipelineFailure)[];
  /** Default: as often as `failAt` makes it fail, so that any other failure ends the run. */
  readonly restart?: RestartSettings;
  /** Of all randomness that the job has, an integer. Default 1. */
  readonly seed?: number;
  /** Virtual time after which the job is taken to hang. Default "1 h". */
  readonly timeLimit?: Duration;
  /** Files that are there at the start: text by absolute path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Options of the job by key; they win over those above. Folders are in memory. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
}

/** How a run has gone. */
export interface PipelineRun {
  /** Of the last process. */
  readonly result: JobResult;
  /** Attempts that failed and were followed by another, in all processes. */
  readonly restarts: number;
  /** Processes, one more than were killed. */
  readonly processes: number;
  /** Checkpoints that completed, in all processes. */
  readonly checkpoints: number;
  /** Records that the sources have read; what was read again counts again. */
  readonly recordsRead: number;
  /** Virtual time that it took, milliseconds. */
  readonly durationMs: number;
  /** The text of each file that is there at the end, by its absolute path; without those of checkpoints and state. */
  readonly files: ReadonlyMap<string, string>;
}

/**
 * Runs a pipeline to its end. Sources read one record after the other, at `recordsPerSecond` of virtual time, so that
 * checkpoints come between them.
 *
 * @param build Puts the pipeline together; called for each process. Sources must be bounded.
 * @throws {StreamError} If the job fails and is not to be restarted. @throws {Error} If it does not come to its end.
 * @example
 * ```ts
 * import { collectSink, fromIterable } from "../../mod.ts";
 * import { runPipeline } from "../../testing.ts";
 *
 * const out = collectSink<number>();
 * const run = await runPipeline((env) => {
 *   env.fromSource("numbers", fromIterable([1, 2, 3, 4]))
 *     .keyBy(() => "all")
 *     .reduce("sums", (left, right) => left + right)
 *     .sinkTo("out", out);
 * }, { failAt: 3, checkpointInterval: 1 });
 * if (run.restarts !== 1) throw new Error("it has not failed");
 * if (out.values.at(-1) !== 10) throw new Error("the sum depends on failures");
 * ```
 */
export async function runPipeline(
  build: (env: StreamEnvironment) => void,
  options: PipelineRunOptions = {},
): Promise<PipelineRun> {
  const { failAt = [], seed = 1, files = {}, recordsPerSecond = 1_000 } = options;
  if (!(recordsPerSecond > 0)) throw new RangeError(`Cannot read ${recordsPerSecond} records a second: it must be > 0`);
  const planned = [failAt].flat().map((one) => typeof one === "number" ? { afterRecords: one } : one);
  const failures = new PlannedFailures(planned, 1_000 / recordsPerSecond);
  const world = new VirtualWorld(configOf(options), seed);
  for (const [path, text] of Object.entries(files)) world.fileSystem.put(path, text);
  const timeLimitMs = durationMs(options.timeLimit ?? TIME_LIMIT_MS, "the limit of virtual time", 1);
  const sums = { restarts: 0, checkpoints: 0 };
  for (let processes = 1, parallelism: number | undefined;; processes++) {
    const process = await world.start((env) => {
      paceSources(env, failures);
      build(env);
    }, {
      timeLimitMs,
      restart: options.restart ?? restartOf(failures),
      argv: processes > 1 && hasCheckpoint(world) ? ["--from", "latest"] : [],
      ...(parallelism === undefined ? {} : { config: { "parallelism.default": parallelism } }),
    });
    failures.kill = () => process.kill();
    const outcome = await process.end();
    const killedBy = failures.killedBy;
    note(process, sums);
    if (outcome.kind === "ended") return runOf(outcome.result, sums, { processes, failures, world });
    if (outcome.kind === "failed") throw outcome.error;
    parallelism = killedBy?.parallelism ?? parallelism;
    failures.killedBy = null;
  }
}

function configOf(
  { parallelism = 1, backend = "heap", checkpointInterval = 100, config }: PipelineRunOptions,
): WorldConfig {
  const kinds = { heap: "hashmap", lsm: "lsm" } as const;
  return {
    "parallelism.default": parallelism,
    "state.backend.type": kinds[backend],
    "execution.checkpointing.interval": durationMs(checkpointInterval, "the time between two checkpoints", 1),
    "execution.checkpointing.dir": CHECKPOINTS,
    ...(backend === "lsm" && {
      "state.backend.lsm.memory.fixed-per-slot": SLOT_MEMORY,
      "state.backend.lsm.localdir": WORK,
    }),
    ...config,
  };
}

function restartOf(failures: PlannedFailures): RestartSettings {
  const attempts = failures.attemptFailures;
  return attempts === 0 ? noRestart() : fixedDelay({ attempts, delayMs: RESTART_DELAY_MS });
}

/** Before the first one, a new process begins anew. */
function hasCheckpoint(world: VirtualWorld): boolean {
  return world.fileSystem.files().some((path) => path.endsWith("/_metadata"));
}

function note({ job }: VirtualProcess, sums: { restarts: number; checkpoints: number }): void {
  sums.restarts += job.progress().restarts;
  sums.checkpoints += job.checkpoints.counts.completed;
}

function runOf(
  result: JobResult,
  { restarts, checkpoints }: { readonly restarts: number; readonly checkpoints: number },
  { processes, failures, world }: {
    readonly processes: number;
    readonly failures: PlannedFailures;
    readonly world: VirtualWorld;
  },
): PipelineRun {
  const { fileSystem, clock } = world;
  const paths = fileSystem.files().filter((path) =>
    ![CHECKPOINTS, WORK].some((folder) => path.startsWith(`${folder}/`))
  );
  const files = new Map(paths.map((path) => [path, fileSystem.text(path)]));
  return {
    result,
    restarts,
    processes,
    checkpoints,
    recordsRead: failures.recordCount,
    durationMs: clock.nowMs(),
    files,
  };
}
