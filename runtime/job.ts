/**
 * A job from start to end: attempts, restarts, the coordinator, the final
 * checkpoint, stop and cancel.
 *
 * Called by: control/stream_environment.ts, tests.
 * Calls: runtime/attempt.ts, runtime/attempt_starts.ts, checkpoint/coordinator.ts.
 *
 * Invariants:
 * - at most one attempt is open;
 * - a bounded job is finished only when its final checkpoint is durable and
 *   every sink has committed.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { CheckpointProperties } from "../checkpoint/checkpoint_properties.ts";
import { CheckpointCoordinator } from "../checkpoint/coordinator.ts";
import type { CompletedCheckpoint, JobStart } from "../checkpoint/completed_checkpoint.ts";
import type { HeldLock } from "../checkpoint/job_lock.ts";
import type { JobEnd } from "../checkpoint/retention.ts";
import type { CheckpointsStatistics } from "../checkpoint/statistics.ts";
import type { CheckpointStorage } from "../checkpoint/storage.ts";
import { CheckpointFailedError } from "../checkpoint/failure.ts";
import type { Cancel } from "../core/clock.ts";
import { messageOf, StreamError } from "../core/errors.ts";
import { Attempt } from "./attempt.ts";
import { AttemptStarts } from "./attempt_starts.ts";
import { checkpointStorage, coordinatorSettings } from "./checkpointing.ts";
import { buildJobGraph, type JobGraph } from "./job_graph.ts";
import { checkPipeline } from "./job_checks.ts";
import { logCheckpointEvent } from "./job_log.ts";
import type { JobPorts } from "./job_ports.ts";
import {
  addTotals,
  type JobProgress,
  type JobResult,
  type JobState,
  progressOf,
  type RecordTotals,
  totalsOf,
} from "./job_progress.ts";
import type { JobSettings } from "./job_settings.ts";
import { type AttemptStart, checkStart } from "./job_start.ts";
import { reportJob, sampleEverySecond } from "./job_metrics.ts";
import { MetricRegistry } from "./metrics.ts";
import { makeRestartStrategy, type RestartStrategy } from "./restart_strategy.ts";
import type { StreamGraph } from "./stream_graph.ts";

const log = getLogger(["weir", "job"]);

/** How an attempt was asked to end. */
type EndRequest = "stop" | "cancel";

/** A job that runs or has run. */
export class Job {
  /** Settles when the job has ended; rejects when it failed. */
  readonly result: Promise<JobResult>;
  /**
   * Everything that is measured, up to date whenever it is read; docs/metrics.md has the names. After the end of the
   * job, and between two attempts, the last figures of the subtasks stay.
   */
  readonly metrics: MetricRegistry;
  readonly #graph: JobGraph;
  readonly #storage: CheckpointStorage | null;
  readonly #coordinator: CheckpointCoordinator | null;
  readonly #starts: AttemptStarts;
  readonly #strategy: RestartStrategy;
  readonly #outputs: readonly string[];
  /** Goes into the metadata of every checkpoint. */
  readonly #jobStart: { -readonly [K in keyof JobStart]: JobStart[K] };
  #state: JobState = "starting";
  #attempt: Attempt | null = null;
  /** Completion notices of the current attempt that are being acted on. */
  #notices: Promise<unknown> = Promise.resolve();
  #former: RecordTotals = { recordsIn: 0, recordsOut: 0, recordsSkipped: 0 };
  #restarts = 0;
  #endRequest: EndRequest | null = null;
  #requestEnd: (request: EndRequest) => void = () => {};
  #endRequested: Promise<EndRequest>;

  private constructor(
    streamGraph: StreamGraph,
    private readonly settings: JobSettings,
    private readonly ports: JobPorts,
  ) {
    const { checkpointing } = settings;
    this.metrics = new MetricRegistry(settings.name);
    this.metrics.beforeJobIsRead((metrics) => reportJob(metrics, this.#restarts, this.#coordinator?.statistics()));
    this.#graph = buildJobGraph(streamGraph, settings);
    this.#outputs = streamGraph.nodes.flatMap((node) => node.destination ?? []);
    this.#strategy = makeRestartStrategy(settings.restart);
    this.#endRequested = new Promise((resolve) => this.#requestEnd = resolve);
    this.#jobStart = {
      id: settings.jobId,
      name: settings.name,
      startedMs: ports.clock.nowMs(),
      restoredFrom: null,
    };
    this.#storage = checkpointing === null ? null : checkpointStorage(settings, checkpointing, ports);
    this.#coordinator = checkpointing === null || this.#storage === null ? null : new CheckpointCoordinator({
      storage: this.#storage,
      clock: ports.clock,
      job: this.#jobStart,
      settings: coordinatorSettings(checkpointing),
      listener: logCheckpointEvent,
      tasks: {
        subtasks: () => this.#attempt?.statuses() ?? [],
        trigger: (task, barrier) => this.#attempt?.trigger(task, barrier),
        notifyComplete: (checkpointId) => this.#complete(checkpointId),
        notifyAborted: (checkpointId) => this.#attempt?.abort(checkpointId),
        failJob: (error) => this.#attempt?.fail(error),
      },
    });
    this.#starts = new AttemptStarts(settings, this.#graph, {
      storage: this.#storage,
      coordinator: this.#coordinator,
      jobStart: this.#jobStart,
    });
    this.result = this.#run();
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

  /** Ends gracefully: the sources stop, a last checkpoint is taken, what it covers is committed. Returns at once. */
  stop(): void {
    if (this.#endRequest !== null || !this.#isAlive) return;
    this.#endRequest = "stop";
    this.#state = "stopping";
    this.#requestEnd("stop");
  }

  /** Ends without waiting for anything. Returns at once. */
  cancel(): void {
    if (this.#endRequest === "cancel" || !this.#isAlive) return;
    this.#endRequest = "cancel";
    this.#state = "stopping";
    this.#requestEnd("cancel");
    this.#attempt?.fail(new CancelledError());
  }

  get #isAlive(): boolean {
    return this.#state === "starting" || this.#state === "running" || this.#state === "restarting" ||
      this.#state === "stopping";
  }

  /** Whether a sink prints to standard output. */
  get printsToOutput(): boolean {
    return this.#outputs.includes("standard output");
  }

  /** How the checkpoints went; undefined when there are none. */
  get checkpoints(): CheckpointsStatistics | undefined {
    return this.#coordinator?.statistics();
  }

  /** Takes a checkpoint now. @throws {StreamError} If checkpoints are off or it fails. */
  async triggerCheckpoint(): Promise<CompletedCheckpoint> {
    if (this.#coordinator === null) {
      throw new StreamError("invalid", "Cannot take a checkpoint: set execution.checkpointing.interval");
    }
    return await this.#coordinator.trigger();
  }

  /** How far the job has come; cheap enough for a few calls a second. */
  progress(): JobProgress {
    const job = {
      name: this.settings.name,
      state: this.#state,
      former: this.#former,
      restarts: this.#restarts,
      outputs: this.#outputs,
    };
    return progressOf(job, this.#attempt, this.#coordinator?.statistics());
  }

  async #run(): Promise<JobResult> {
    let lock: HeldLock | null = null;
    const endSampling = sampleEverySecond(this.metrics, this.ports.clock);
    try {
      const isOnDisk = this.settings.checkpointing?.directory !== null && this.#storage !== null;
      if (isOnDisk) lock = await this.ports.jobLock.acquire(this.#storage!.path);
      const end = await this.#runAttempts();
      // A stop keeps the checkpoints, also when the job had no time to take a last one.
      await this.#close(end === "finished" ? end : this.#endRequest === "stop" ? "suspended" : "cancelled");
      this.#state = end;
      const lastCheckpointId = this.#coordinator?.latest()?.metadata.checkpointId ?? null;
      return { name: this.settings.name, state: end, lastCheckpointId, restarts: this.#restarts };
    } catch (error) {
      await this.#close("failed").catch((cause) => logClosing(cause));
      this.#state = "failed";
      throw error;
    } finally {
      endSampling();
      await this.ports.backendFactory.close?.().catch((cause) => logClosing(cause));
      await lock?.release();
    }
  }

  async #close(end: JobEnd): Promise<void> {
    await this.#closeAttempt();
    await this.#coordinator?.shutdown(end);
  }

  async #runAttempts(): Promise<JobResult["state"]> {
    let start = await this.#starts.first();
    for (;;) {
      try {
        const end = await this.#runAttempt(start.attempt, start.isFinal);
        return end;
      } catch (error) {
        if (this.#endRequest === "cancel") return "cancelled";
        await this.#coordinator?.stop("job-failed", error);
        await this.#closeAttempt();
        if (this.#endRequest === "stop") throw error;
        if (!await this.#starts.fallBack(error)) await this.#decideRestart(error);
        if (this.#endRequest !== null) return this.#endRequest === "stop" ? "stopped" : "cancelled";
        start = { attempt: this.#starts.again(start.attempt), isFinal: false };
        this.#state = "running";
      }
    }
  }

  async #decideRestart(error: unknown): Promise<void> {
    const { clock, random } = this.ports;
    const decision = this.#strategy.onFailure(error, clock.monotonicMs(), random.next());
    if (decision.action === "fail") {
      log.error("Giving up: {reason}", { reason: decision.reason });
      throw error;
    }
    this.#restarts++;
    this.#state = "restarting";
    log.error("{reason}; restarting in {delayMs} ms", {
      reason: messageOf(error),
      delayMs: Math.round(decision.delayMs),
    });
    await this.#wait(decision.delayMs, this.#endRequested);
  }

  /** Waits so long, or until `interruption` has settled; rejects as that does. */
  async #wait(delayMs: number, interruption: Promise<unknown>): Promise<void> {
    let cancel: Cancel = () => {};
    const waited = new Promise<void>((resolve) => cancel = this.ports.clock.schedule(delayMs, resolve));
    await Promise.race([waited, interruption]).finally(() => cancel());
  }

  async #runAttempt(start: AttemptStart, isFinal: boolean): Promise<JobResult["state"]> {
    const { settings, ports } = this;
    this.metrics.forgetTasks();
    const attempt = new Attempt(this.#graph, {
      ...ports,
      ...start,
      metrics: this.metrics,
      incremental: settings.checkpointing?.incremental ?? false,
      exactlyOnce: settings.checkpointing?.exactlyOnce ?? true,
      watermarkIntervalMs: settings.watermarkIntervalMs,
      timers: settings.timers,
    }, {
      store: (checkpointId, owner) => this.#coordinator!.store(checkpointId, owner),
      acknowledge: (owner, id, snapshot, figures) => this.#coordinator?.acknowledge(owner, id, snapshot, figures),
      decline: (owner, id, error) => this.#coordinator?.decline(owner, id, error, "async-failure"),
    });
    this.#attempt = attempt;
    if (this.#endRequest === "cancel") return "cancelled";
    if (isFinal) {
      log.info('"{name}" had finished: committing what is pending', { name: settings.name });
      await Promise.race([attempt.openSinks(), attempt.failure]);
      return "finished";
    }
    await Promise.race([attempt.open(), attempt.failure]);
    if (this.#state !== "stopping") this.#state = "running";
    this.#coordinator?.start();
    const end = await Promise.race([attempt.ended, this.#endRequested]);
    if (end === "cancel") return "cancelled";
    if (end === "stop") return await this.#stopAttempt(attempt);
    await this.#finish(attempt);
    return "finished";
  }

  async #stopAttempt(attempt: Attempt): Promise<"stopped"> {
    if (this.#coordinator === null) {
      attempt.cutSourcesShort();
      await attempt.ended;
      await attempt.commitSinks(1);
      return "stopped";
    }
    attempt.stopSources();
    await this.#takeLast(attempt, {});
    return "stopped";
  }

  /** Everything has been read: makes it durable and visible. */
  async #finish(attempt: Attempt): Promise<void> {
    // What a user's function did at the very end may have failed the attempt after its last record.
    await Promise.race([attempt.failure, Promise.resolve()]);
    if (this.#coordinator === null) return await attempt.commitSinks(1);
    await this.#takeLast(attempt, { isFinal: true });
  }

  /** Takes the last checkpoint and commits what it covers; tries again as long as failed checkpoints are tolerated. */
  async #takeLast(attempt: Attempt, properties: Partial<CheckpointProperties>): Promise<void> {
    for (;;) {
      try {
        await Promise.race([this.#coordinator!.trigger(properties), attempt.failure]);
        await Promise.race([this.#notices, attempt.failure]);
        return;
      } catch (error) {
        if (!(error instanceof CheckpointFailedError)) throw error;
        // One failure too many fails the attempt.
        await this.#wait(this.settings.checkpointing!.intervalMs, attempt.failure);
      }
    }
  }

  #complete(checkpointId: number): void {
    const attempt = this.#attempt;
    if (attempt === null) return;
    const notice = attempt.complete(checkpointId);
    // Its failure fails the attempt; whoever awaits all notices sees it as well.
    notice.catch(() => {});
    this.#notices = Promise.all([this.#notices, notice]);
    this.#notices.catch(() => {});
  }

  async #closeAttempt(): Promise<void> {
    const attempt = this.#attempt;
    if (attempt === null) return;
    this.#former = addTotals(this.#former, totalsOf(attempt));
    this.#attempt = null;
    this.#notices = Promise.resolve();
    const errors = await attempt.close();
    this.metrics.endTasks();
    for (const error of errors) logClosing(error);
  }
}

function logClosing(error: unknown): void {
  log.warn("While closing: {reason}", { reason: messageOf(error) });
}

/** Ends an attempt on the user's wish. */
class CancelledError extends Error {
  override readonly name = "CancelledError";

  constructor() {
    super("the job was cancelled");
  }
}
