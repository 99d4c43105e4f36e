/**
 * A job as others see it and drive it: its state, its figures, its savepoints, its end.
 *
 * Called by: control/stream_environment.ts, tests.
 * Calls: runtime/job_run.ts.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { MemoryReport } from "../core/backend_memory.ts";
import type { Key } from "../core/key.ts";
import type { CompletedCheckpoint } from "../checkpoint/completed_checkpoint.ts";
import type { CheckpointsStatistics } from "../checkpoint/statistics.ts";
import { checkPipeline } from "./job_checks.ts";
import { reportJob } from "./job_metrics.ts";
import type { JobPorts } from "./job_ports.ts";
import { isEnd, type JobProgress, type JobResult, progressOf } from "./job_progress.ts";
import { JobRun } from "./job_run.ts";
import { checkpointProperties, notRunning, savepointOf, savepointProperties } from "./job_savepoints.ts";
import type { JobSettings } from "./job_settings.ts";
import { checkStart } from "./job_start.ts";
import type { CheckpointKind, ControlledJob, JobView, Savepoint, SavepointOptions, StopOptions } from "./job_view.ts";
import { MetricRegistry } from "./metrics.ts";
import type { QueriedState, QueryResult } from "./state_reader.ts";
import type { StreamGraph } from "./stream_graph.ts";

const log = getLogger(["weir", "job"]);

/**
 * A job that runs or has run.
 *
 * @example
 * ```ts
 * import { collectSink, fromIterable, type Job, StreamEnvironment } from "../mod.ts";
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * env.fromSource("words", fromIterable(["a", "b"])).sinkTo("out", collectSink<string>());
 * const job: Job = await env.executeAsync("copy");
 * await job.result;
 * const { state, vertices } = job.status();
 * if (state !== "finished" || vertices[0]?.name !== "words → out") throw new Error(state);
 * ```
 */
export class Job implements ControlledJob {
  /** Settles when the job has ended; rejects when it failed. */
  readonly result: Promise<JobResult>;
  /**
   * Everything that is measured, up to date whenever it is read; docs/metrics.md has the names. After the end of the
   * job, and between two attempts, the last figures of the subtasks stay.
   */
  readonly metrics: MetricRegistry;
  readonly #run: JobRun;
  readonly #outputs: readonly string[];

  private constructor(
    private readonly graph: StreamGraph,
    private readonly settings: JobSettings,
    private readonly ports: JobPorts,
  ) {
    this.metrics = new MetricRegistry(settings.name);
    this.#outputs = graph.nodes.flatMap((node) => node.destination ?? []);
    this.#run = new JobRun(graph, settings, ports, this.metrics);
    this.metrics.beforeJobIsRead((metrics) => reportJob(metrics, this.#run.restarts, this.checkpoints));
    this.result = this.#run.result;
  }

  /**
   * Starts a job.
   *
   * @param notices Lines to log, for example options that have new names.
   * @throws {StreamError} If the pipeline cannot run as it is.
   */
  static start(
    graph: StreamGraph,
    settings: JobSettings,
    ports: JobPorts,
    notices: readonly string[] = [],
  ): Job {
    for (const notice of notices) log.warn("{notice}", { notice });
    checkPipeline(graph, settings);
    checkStart(settings);
    const job = new Job(graph, settings, ports);
    // The caller may look at `result` later.
    job.result.catch(() => {});
    return job;
  }

  /** 32 lowercase hex digits. */
  get id(): string {
    return this.settings.jobId;
  }

  /** Ends gracefully: the sources stop, a last checkpoint is taken, what it covers is committed. Returns at once. */
  stop(): void {
    this.#run.ask("stop");
  }

  /** Ends without waiting for anything. Returns at once. */
  cancel(): void {
    this.#run.ask("cancel");
  }

  /** Whether a sink prints to standard output. */
  get printsToOutput(): boolean {
    return this.#outputs.includes("standard output");
  }

  /** How its checkpoints and savepoints went. */
  get checkpoints(): CheckpointsStatistics {
    return this.#run.coordinator.statistics();
  }

  /** Takes a checkpoint now. @throws {StreamError} If checkpoints are off or it fails. */
  async triggerCheckpoint(kind: CheckpointKind = "configured"): Promise<CompletedCheckpoint> {
    return await this.#run.coordinator.trigger(checkpointProperties(kind, this.settings));
  }

  /**
   * Takes a savepoint while the job goes on.
   *
   * @throws {StreamError} If there is no folder for it, a source could not go on from it, the job is not running or ends
   *   meanwhile, or it fails.
   * @example
   * ```ts
   * import { callbackSink, generator, type Savepoint, StreamEnvironment } from "../mod.ts";
   *
   * const folder = await Deno.makeTempDir();
   * const env = StreamEnvironment.create({ argv: [], config: { "execution.checkpointing.savepoint-dir": folder } });
   * const numbers = env.fromSource("numbers", generator({ create: (index) => index, ratePerSecond: 1_000 }));
   * const first = new Promise<void>((resolve) => numbers.sinkTo("out", callbackSink(() => resolve())));
   * const job = await env.executeAsync("counting");
   * await first;
   * const plain: Savepoint = await job.triggerSavepoint();
   * const last: Savepoint = await job.stopWithSavepoint({ format: "native" });
   * if (plain.path === last.path || (await job.result).state !== "stopped") throw new Error(last.path);
   * await Deno.remove(folder, { recursive: true });
   * ```
   */
  async triggerSavepoint(options: SavepointOptions = {}): Promise<Savepoint> {
    this.#mustRun("take a savepoint of");
    const askedMs = this.ports.clock.nowMs();
    const properties = savepointProperties(options, this.settings, this.graph);
    return savepointOf(await this.#run.coordinator.trigger(properties), askedMs);
  }

  /**
   * Takes a savepoint with which the job stops, and commits what it covers. If it fails before it is durable, the job
   * goes on, from its newest checkpoint if need be. If the job fails after that, the error names the savepoint.
   *
   * @throws {StreamError} As `triggerSavepoint`.
   */
  async stopWithSavepoint({ drain = false, ...options }: StopOptions = {}): Promise<Savepoint> {
    this.#mustRun("stop");
    const askedMs = this.ports.clock.nowMs();
    const properties = savepointProperties(options, this.settings, this.graph);
    return savepointOf(await this.#run.stopWithSavepoint(properties, drain), askedMs);
  }

  /**
   * What a keyed step knows of a key at this moment: read between two of its steps, and a copy, which the caller may
   * change. State that the job has not made durable yet is included, so an answer may be taken back by a failure.
   *
   * A value with a time to live that is over is not there; asking does not lengthen its life.
   *
   * @param operatorName As given to `actor`, `process`, and so on.
   * @param state The descriptor with which the step declares it; the result has its type. A list comes as an array, a map
   *   as a `Map`.
   * @throws {StreamError} If the step or its state does not exist, the state is of another kind, the job is not running,
   *   or it ends or fails meanwhile. @throws {TypeError} For what is no key.
   * @example
   * ```ts
   * import { callbackSink, emits, generator, StreamEnvironment, valueState } from "../mod.ts";
   *
   * const seen = valueState("seen", { default: 0 });
   * const env = StreamEnvironment.create({ argv: [] });
   * const counts = env.fromSource("numbers", generator({ create: (index) => index, ratePerSecond: 1_000 }))
   *   .keyBy((n) => n % 2 === 0 ? "even" : "odd")
   *   .process("count", {
   *     emits: emits<number>(),
   *     state: { seen },
   *     onMessage(_n, context) {
   *       context.state.seen.update(context.state.seen.value() + 1);
   *       context.emit(context.state.seen.value());
   *     },
   *   });
   * const first = new Promise<void>((resolve) => counts.sinkTo("out", callbackSink(() => resolve())));
   * const job = await env.executeAsync("counting");
   * await first;
   * const even: number = await job.query("count", seen, "even");
   * job.cancel();
   * if (!(even >= 1)) throw new Error(`${even}`);
   * ```
   */
  async query<D extends QueriedState>(operatorName: string, state: D, key: Key): Promise<QueryResult<D>> {
    this.#mustRun("query");
    const { attempt } = this.#run;
    if (attempt === null) throw notRunning("query", this.settings.name, "restarting", false);
    return await attempt.queries.ask(operatorName, state, key);
  }

  #mustRun(action: string): void {
    const { life, isFinishing } = this.#run;
    if (life.state !== "running" || isFinishing) throw notRunning(action, this.settings.name, life.state, isFinishing);
  }

  /** Who holds how many bytes of the memory for state on disk: slot by slot and operator by operator. */
  memoryReport(): MemoryReport {
    const { backendFactory } = this.ports;
    return backendFactory.memoryReport?.() ?? { backend: backendFactory.name, totalBytes: 0, usedBytes: 0, slots: [] };
  }

  /** How far the job has come; cheap enough for a few calls a second. */
  progress(): JobProgress {
    const { life, former, restarts, attempt } = this.#run;
    const job = { name: this.settings.name, state: life.state, former, restarts, outputs: this.#outputs };
    return progressOf(job, attempt, this.checkpoints);
  }

  /** The job as it is now; cheap enough for a few calls a second. */
  status(): JobView {
    const { life, attemptNumber, vertices, failures } = this.#run;
    const { state } = life;
    return {
      id: this.id,
      name: this.settings.name,
      state,
      enteredMs: life.times(),
      // It has come to both.
      startedMs: life.enteredMs("starting")!,
      endedMs: isEnd(state) ? life.enteredMs(state)! : null,
      attempt: attemptNumber,
      settings: this.settings,
      vertices,
      failures: failures.list(),
    };
  }
}
