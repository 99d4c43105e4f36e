/**
 * Runs a job from start to end: attempts, restarts, the final checkpoint, stop and cancel.
 *
 * Called by: runtime/job.ts.
 * Calls: runtime/attempt.ts, runtime/attempt_starts.ts, runtime/job_stop.ts, checkpoint/coordinator.ts.
 *
 * Invariants:
 * - at most one attempt is open;
 * - a bounded job is finished only when its final checkpoint is durable and
 *   every sink has committed;
 * - every request to stop with a savepoint settles.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { CheckpointProperties } from "../checkpoint/checkpoint_properties.ts";
import type { CompletedCheckpoint, JobStart } from "../checkpoint/completed_checkpoint.ts";
import { CheckpointCoordinator } from "../checkpoint/coordinator.ts";
import type { HeldLock } from "../checkpoint/job_lock.ts";
import type { JobEnd } from "../checkpoint/retention.ts";
import type { CheckpointStorage } from "../checkpoint/storage.ts";
import { messageOf } from "../core/errors.ts";
import { Attempt } from "./attempt.ts";
import { AttemptStarts, type NextStart } from "./attempt_starts.ts";
import { checkpointStorage, coordinatorSettings, savepointStorage } from "./checkpointing.ts";
import { type EndRequest, EndRequests, type SavepointStop } from "./job_end_requests.ts";
import { FailureHistory } from "./job_failures.ts";
import { buildJobGraph, type JobGraph } from "./job_graph.ts";
import { logCheckpointEvent } from "./job_log.ts";
import { sampleEverySecond } from "./job_metrics.ts";
import type { JobPorts } from "./job_ports.ts";
import { addTotals, isEnd, type JobResult, type JobState, type RecordTotals, totalsOf } from "./job_progress.ts";
import { failedAfter, notRunning } from "./job_savepoints.ts";
import type { JobSettings } from "./job_settings.ts";
import { vertexViews } from "./job_status.ts";
import { finishAttempt, type LastCheckpoint, stopAttempt, waitFor } from "./job_last_checkpoint.ts";
import { CancelledError, DrainedError, stopWithSavepoint } from "./job_stop.ts";
import type { VertexView } from "./job_view.ts";
import type { MetricRegistry } from "./metrics.ts";
import { makeRestartStrategy, type RestartStrategy } from "./restart_strategy.ts";
import type { StreamGraph } from "./stream_graph.ts";
import { Timeline } from "./timeline.ts";

const log = getLogger(["weir", "job"]);

/** One run of a job. */
export class JobRun {
  /** Settles when it has ended; rejects when it failed. */
  readonly result: Promise<JobResult>;
  /** Where it is in its life. */
  readonly life: Timeline<JobState>;
  /** What ended its attempts. */
  readonly failures = new FailureHistory();
  /** Exists also when the job takes no checkpoints by itself. */
  readonly coordinator: CheckpointCoordinator;
  readonly #graph: JobGraph;
  readonly #storage: CheckpointStorage;
  readonly #starts: AttemptStarts;
  readonly #strategy: RestartStrategy;
  readonly #ends = new EndRequests();
  #attempt: Attempt | null = null;
  #attemptNumber = 0;
  #isFinishing = false;
  /** Of the last attempt, once it is closed. */
  #lastVertices: readonly VertexView[];
  #former: RecordTotals = { recordsIn: 0, recordsOut: 0, recordsSkipped: 0 };
  #restarts = 0;
  /** The savepoint with which it has stopped. */
  #savepointPath: string | null = null;

  /** It begins at once. */
  constructor(
    graph: StreamGraph,
    private readonly settings: JobSettings,
    private readonly ports: JobPorts,
    private readonly metrics: MetricRegistry,
  ) {
    const { clock } = ports;
    this.#graph = buildJobGraph(graph, settings);
    this.#lastVertices = vertexViews(this.#graph, null);
    this.#strategy = makeRestartStrategy(settings.restart);
    this.life = new Timeline("starting", clock);
    const job: JobStart = { id: settings.jobId, name: settings.name, startedMs: clock.nowMs(), restoredFrom: null };
    const savepoints = savepointStorage(settings, ports);
    this.#storage = checkpointStorage(settings, savepoints, ports);
    this.coordinator = new CheckpointCoordinator({
      storage: this.#storage,
      savepoints,
      clock,
      job,
      settings: coordinatorSettings(settings),
      listener: logCheckpointEvent,
      tasks: {
        subtasks: () => this.#attempt?.statuses() ?? [],
        trigger: (task, barrier) => this.#attempt?.trigger(task, barrier),
        notifyComplete: (checkpointId) => this.#attempt?.complete(checkpointId),
        notifyAborted: (checkpointId) => this.#attempt?.abort(checkpointId),
        failJob: (error) => this.#attempt?.fail(error),
      },
    });
    const checkpoints = { storage: this.#storage, coordinator: this.coordinator, jobStart: job };
    this.#starts = new AttemptStarts(settings, this.#graph, checkpoints);
    this.result = this.#run();
  }

  /** Null between two attempts. */
  get attempt(): Attempt | null {
    return this.#attempt;
  }

  /** 0-based. */
  get attemptNumber(): number {
    return this.#attemptNumber;
  }

  /** Whether all input has been read, and the last checkpoint is being taken. */
  get isFinishing(): boolean {
    return this.#isFinishing;
  }

  /** Records that the attempts before this one have moved. */
  get former(): RecordTotals {
    return this.#former;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Vertices and their subtasks, of the newest attempt. */
  get vertices(): readonly VertexView[] {
    return this.#attempt === null ? this.#lastVertices : vertexViews(this.#graph, this.#attempt);
  }

  /** Asks for the end; returns at once. */
  ask(request: EndRequest): void {
    if (isEnd(this.life.state) || !this.#ends.ask(request)) return;
    this.life.enter(request === "stop" ? "stopping" : "cancelling");
    if (request === "cancel") this.#attempt?.fail(new CancelledError(this.settings.name));
  }

  /**
   * Stops with a savepoint. Only while it runs, and one at a time.
   *
   * @returns The savepoint, once the job has ended; rejects when the job goes on or has failed.
   */
  stopWithSavepoint(properties: Partial<CheckpointProperties>, drain: boolean): Promise<CompletedCheckpoint> {
    this.life.enter("stopping");
    return new Promise((resolve, reject) => this.#ends.askForSavepoint({ properties, drain, resolve, reject }));
  }

  async #run(): Promise<JobResult> {
    let lock: HeldLock | null = null;
    const endSampling = sampleEverySecond(this.metrics, this.ports.clock);
    try {
      const isOnDisk = (this.settings.checkpointing?.directory ?? null) !== null;
      if (isOnDisk) lock = await this.ports.jobLock.acquire(this.#storage.path);
      const state = await this.#runAttempts();
      await this.#close(state === "stopped" ? "suspended" : state);
      this.life.enter(state);
      const lastCheckpointId = this.coordinator.retained()[0]?.metadata.checkpointId ?? null;
      const { name } = this.settings;
      return { name, state, lastCheckpointId, restarts: this.#restarts, savepointPath: this.#savepointPath };
    } catch (error) {
      if (this.failures.list()[0]?.error !== error) this.#noteFailure(error);
      await this.#close("failed").catch((cause) => logClosing(cause));
      this.life.enter("failed");
      throw error;
    } finally {
      endSampling();
      await this.ports.backendFactory.close?.().catch((cause) => logClosing(cause));
      await lock?.release();
    }
  }

  async #close(end: JobEnd): Promise<void> {
    await this.#closeAttempt(end === "finished" || end === "suspended" ? "finished" : "cancelled");
    await this.coordinator.shutdown(end);
  }

  async #runAttempts(): Promise<JobResult["state"]> {
    let start = await this.#starts.next();
    for (;; this.#attemptNumber++) {
      try {
        if (this.#attemptNumber > 0) start = await this.#starts.next();
        return await this.#runAttempt(start);
      } catch (error) {
        // What an attempt fails with is an error.
        this.#ends.takeSavepointStop()?.reject(error as Error);
        if (this.#ends.request === "cancel") return "cancelled";
        this.#noteFailure(error instanceof DrainedError ? error.cause : error);
        await this.coordinator.stop("job-failed", error);
        await this.#closeAttempt("cancelled");
        if (this.#ends.request === "stop") {
          if (error instanceof DrainedError) return "stopped";
          throw error;
        }
        if (error instanceof DrainedError) this.#restarts++;
        else if (!await this.#starts.fallBack(error)) await this.#decideRestart(error);
        if (this.#ends.request !== null) return this.#ends.request === "stop" ? "stopped" : "cancelled";
        this.life.enter("restarting");
      }
    }
  }

  #noteFailure(error: unknown): void {
    const failure = this.#attempt?.firstFailure;
    const isCause = error instanceof Error && failure?.error === error.cause;
    const subtask = failure?.error === error || isCause ? failure?.subtask ?? null : null;
    this.failures.add({ error, subtask }, this.ports.clock.nowMs());
  }

  async #decideRestart(error: unknown): Promise<void> {
    const { clock, random } = this.ports;
    const decision = this.#strategy.onFailure(error, clock.monotonicMs(), random.next());
    if (decision.action === "fail") {
      log.error("Giving up: {reason}", { reason: decision.reason });
      throw error;
    }
    this.#restarts++;
    this.life.enter("restarting");
    log.error("{reason}; restarting in {delayMs} ms", {
      reason: messageOf(error),
      delayMs: Math.round(decision.delayMs),
    });
    await waitFor(decision.delayMs, clock, this.#ends.asked);
  }

  async #runAttempt({ attempt: start, isFinal }: NextStart): Promise<JobResult["state"]> {
    const { settings, ports } = this;
    this.metrics.forgetTasks();
    const attempt = new Attempt(this.#graph, {
      ...ports,
      ...start,
      metrics: this.metrics,
      sharedStore: this.#storage.sharedStore?.(),
      incremental: settings.checkpointing?.incremental ?? false,
      exactlyOnce: settings.checkpointing?.exactlyOnce ?? true,
      watermarkIntervalMs: settings.watermarkIntervalMs,
      maxMessagesInFlight: settings.maxMessagesInFlight,
      timers: settings.timers,
      stateLatency: settings.stateLatency,
    }, {
      store: (checkpointId, owner) => this.coordinator.store(checkpointId, owner),
      acknowledge: (owner, id, snapshot, figures) => this.coordinator.acknowledge(owner, id, snapshot, figures),
      decline: (owner, id, error) => this.coordinator.decline(owner, id, error, "async-failure"),
    });
    this.#attempt = attempt;
    if (this.#ends.request === "cancel") return "cancelled";
    if (isFinal) {
      log.info('"{name}" had finished: committing what is pending', { name: settings.name });
      await Promise.race([attempt.openSinks(), attempt.failure]);
      return "finished";
    }
    await Promise.race([attempt.open(), attempt.failure]);
    if (this.#ends.isEmpty) this.life.enter("running");
    this.coordinator.start();
    return await this.#untilEnd(attempt);
  }

  async #untilEnd(attempt: Attempt): Promise<JobResult["state"]> {
    const { name, checkpointing } = this.settings;
    const last: LastCheckpoint = { coordinator: this.coordinator, clock: this.ports.clock, checkpointing };
    for (;;) {
      await Promise.race([attempt.ended, attempt.failure, this.#ends.asked]);
      const stop = this.#ends.takeSavepointStop();
      if (attempt.hasEnded) {
        this.#isFinishing = true;
        stop?.reject(notRunning("stop", name, "running", true));
        await finishAttempt(attempt, last);
        return "finished";
      }
      // First: a stop without one asks for no less.
      if (stop !== null && await this.#stopWithSavepoint(attempt, stop)) return "stopped";
      if (this.#ends.request === "stop") {
        await stopAttempt(attempt, last);
        return "stopped";
      }
    }
  }

  /** False when the attempt goes on. */
  async #stopWithSavepoint(attempt: Attempt, stop: SavepointStop): Promise<boolean> {
    const outcome = await stopWithSavepoint(stop, attempt, this.coordinator);
    if (outcome.kind === "stopped") {
      this.#savepointPath = outcome.savepoint.externalPath;
      // When the job has ended, however its closing went.
      this.result.catch(() => {}).then(() => stop.resolve(outcome.savepoint));
      return true;
    }
    const error = outcome.kind === "failed" && outcome.savepoint !== null
      ? failedAfter(outcome.savepoint, this.settings.name, outcome.error)
      : outcome.error;
    // What the coordinator and the attempt fail with are errors.
    stop.reject(error as Error);
    if (outcome.kind === "drained") throw new DrainedError(outcome.error);
    if (outcome.kind === "failed") throw error;
    if (this.#ends.isEmpty) this.life.enter("running");
    return false;
  }

  async #closeAttempt(end: "finished" | "cancelled"): Promise<void> {
    this.#isFinishing = false;
    const attempt = this.#attempt;
    if (attempt === null) return;
    this.#former = addTotals(this.#former, totalsOf(attempt));
    this.#attempt = null;
    const errors = await attempt.close(end);
    this.#lastVertices = vertexViews(this.#graph, attempt);
    this.metrics.endTasks();
    for (const error of errors) logClosing(error);
  }
}

function logClosing(error: unknown): void {
  log.warn("While closing: {reason}", { reason: messageOf(error) });
}
