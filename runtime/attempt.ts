/**
 * One attempt to run a job: its subtasks from the moment they are built until
 * they are closed. A failure ends the attempt; the next one is built anew.
 *
 * Called by: runtime/job_run.ts.
 * Calls: runtime/task_builder.ts, subtasks.
 *
 * Invariants:
 * - after `close` has been called, nothing of the attempt reaches the coordinator;
 * - the first failure is the attempt's failure; what fails because of it is not reported.
 *
 * @module
 */
import type { SubtaskStatus } from "../checkpoint/checkpoint_plan.ts";
import type { SubtaskRef } from "../checkpoint/storage.ts";
import type { Barrier } from "../core/element.ts";
import type { SnapshotFigures, SnapshotStore, SubtaskSnapshot } from "../core/snapshot.ts";
import { Host } from "./host.ts";
import type { JobGraph, JobVertex } from "./job_graph.ts";
import { SinkOperator } from "./operators/sink_operator.ts";
import { SourceOperator } from "./operators/source_operator.ts";
import { StateQueries } from "./state_queries.ts";
import type { Subtask, SubtaskListener, SubtaskName } from "./subtask.ts";
import { type AttemptPorts, buildSubtasks } from "./task_builder.ts";

/** Where the attempt's subtasks answer. */
export interface AttemptAnswers {
  store(checkpointId: number, owner: SubtaskRef): SnapshotStore;
  acknowledge(owner: SubtaskRef, checkpointId: number, snapshot: SubtaskSnapshot, figures: SnapshotFigures): void;
  decline(owner: SubtaskRef, checkpointId: number, error: Error): void;
}

/** What an attempt is made with, besides what its subtasks share. */
export type AttemptSettings = Omit<AttemptPorts, "host" | "listenerOf">;

/** A failure, and the subtask that it happened in; null when it was in none. */
export interface AttemptFailure {
  readonly error: unknown;
  readonly subtask: SubtaskName | null;
}

/** The subtasks of one attempt. */
export class Attempt {
  readonly subtasks: readonly Subtask[];
  /** What is asked from outside. */
  readonly queries: StateQueries;
  /** Resolves when every subtask has read all its input; rejects with the first failure. */
  readonly ended: Promise<void>;
  /** Rejects with the first failure, also after all input was read; never resolves. */
  readonly failure: Promise<never>;
  #resolveEnded: () => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #firstFailure: AttemptFailure | null = null;
  /** Completion notices that are being acted on. */
  #notices: Promise<unknown> = Promise.resolve();
  #isOpen = false;
  #isClosed = false;

  constructor(
    private readonly graph: JobGraph,
    private readonly settings: AttemptSettings,
    private readonly answers: AttemptAnswers,
  ) {
    this.failure = new Promise((_resolve, reject) => this.#reject = reject);
    this.ended = Promise.race([new Promise<void>((resolve) => this.#resolveEnded = resolve), this.failure]);
    // Whoever closes the attempt before it ends is not interested in its failure.
    this.failure.catch(() => {});
    this.ended.catch(() => {});
    const host = new Host(settings.clock, settings.fileSystem);
    this.subtasks = buildSubtasks(graph, { ...settings, host, listenerOf: (name) => this.#listenerOf(name) });
    this.queries = new StateQueries(this.subtasks);
  }

  /** Opens every operator, then lets records flow: downstream first. */
  async open(): Promise<void> {
    for (const subtask of this.subtasks.toReversed()) {
      try {
        await subtask.open();
      } catch (error) {
        this.#fail(error, subtask.name);
        throw error;
      }
      if (this.#isClosed) return;
    }
    this.#isOpen = true;
    for (const subtask of this.subtasks.toReversed()) subtask.start();
    this.#checkEnd();
  }

  /** What ended it; null while nothing has. */
  get firstFailure(): AttemptFailure | null {
    return this.#firstFailure;
  }

  /** Whether every subtask has read all its input. */
  get hasEnded(): boolean {
    return this.#isOpen && this.subtasks.every((subtask) => subtask.hasEnded);
  }

  /** Key groups of a vertex. */
  maxParallelismOf(vertexId: string): number {
    return this.settings.maxParallelismOf(vertexId);
  }

  /** The subtasks as the coordinator sees them. */
  statuses(): SubtaskStatus[] {
    return this.subtasks.map((subtask) => {
      const vertex = this.#vertexOf(subtask);
      return {
        vertexId: vertex.id,
        vertexName: vertex.name,
        subtaskIndex: subtask.name.subtaskIndex,
        parallelism: vertex.parallelism,
        maxParallelism: this.settings.maxParallelismOf(vertex.id),
        operators: vertex.operators.map(({ operatorId, node }) => ({ id: operatorId, name: node.name })),
        status: this.#isOpen ? "running" : "created",
        // A source whose input has ended still passes barriers on, so every barrier starts at the sources.
        predecessorsFinished: vertex.isSource,
        finalSnapshot: null,
      };
    });
  }

  /** Gives a barrier to a source. */
  trigger(ref: SubtaskRef, barrier: Barrier): void {
    const subtask = this.#find(ref);
    subtask?.post(() => subtask.barrier({ barrier, alignmentMs: 0, startDelayMs: this.#delayOf(barrier) }));
  }

  #delayOf(barrier: Barrier): number {
    return Math.max(0, this.settings.clock.nowMs() - barrier.timestampMs);
  }

  /** Tells every subtask that a checkpoint is durable. */
  complete(checkpointId: number): void {
    const notices = this.subtasks.map(async ({ name, snapshots }) => {
      try {
        await snapshots.complete(checkpointId);
      } catch (error) {
        this.#fail(error, name);
        throw error;
      }
    });
    this.#notices = Promise.all([this.#notices, ...notices]);
    // Its failure is the attempt's; whoever awaits all notices sees it as well.
    this.#notices.catch(() => {});
  }

  /** Resolves when all subtasks have acted on all completed checkpoints; rejects with the first failure. */
  async settleNotices(): Promise<void> {
    await Promise.race([this.#notices, this.failure]);
  }

  /** Tells every subtask that a checkpoint will not complete. */
  abort(checkpointId: number): void {
    for (const subtask of this.subtasks) subtask.post(() => subtask.abortCheckpoint(checkpointId));
  }

  /** Stops reading until `resume`; what has been read is processed. Barriers still pass. */
  stopSources(): void {
    for (const source of this.sources()) source.stop();
  }

  /** Ends all inputs where they are, event time included; the attempt ends once everything is processed. */
  drainSources(): void {
    for (const source of this.sources()) source.drain();
  }

  /** Goes on after `stopSources`, also behind the barrier of a savepoint with which the job was to stop. */
  resume(): void {
    for (const subtask of this.subtasks) subtask.post(() => subtask.resume());
    for (const source of this.sources()) source.resume();
  }

  /** Ends the sources where they are; the attempt ends once what they have read is processed. */
  cutSourcesShort(): void {
    for (const source of this.sources()) source.cutShort();
  }

  /** Opens the sinks alone: what they have pending is committed. */
  async openSinks(): Promise<void> {
    for (const sink of this.sinks()) await sink.open();
  }

  /** Makes the sinks' output visible without a checkpoint, at the end of a job that takes none. */
  async commitSinks(checkpointId: number): Promise<void> {
    for (const sink of this.sinks()) await sink.commitAtEnd(checkpointId);
  }

  /** The source operators, for progress. */
  sources(): SourceOperator<unknown>[] {
    return this.#operators().filter((operator) => operator instanceof SourceOperator);
  }

  /** The sink operators, for progress. */
  sinks(): SinkOperator<unknown>[] {
    return this.#operators().filter((operator) => operator instanceof SinkOperator);
  }

  #operators(): unknown[] {
    return this.subtasks.flatMap((subtask) => subtask.operators);
  }

  /**
   * Ends everything at once and frees it; returns what failed while closing.
   *
   * @param end What becomes of subtasks that are neither at their end nor failed.
   */
  async close(end: "finished" | "cancelled"): Promise<readonly unknown[]> {
    this.#isClosed = true;
    this.queries.end();
    const errors = await Promise.all(this.subtasks.map((subtask) => subtask.close(end)));
    return errors.flat();
  }

  #listenerOf(name: SubtaskName): SubtaskListener {
    const { answers } = this;
    return {
      store: (checkpointId) => answers.store(checkpointId, name),
      acknowledge: (checkpointId, snapshot, figures) => {
        if (!this.#isClosed) answers.acknowledge(name, checkpointId, snapshot, figures);
      },
      decline: (checkpointId, error) => {
        if (!this.#isClosed) answers.decline(name, checkpointId, error);
      },
      inputEnded: () => this.#checkEnd(),
      failed: (error) => this.#fail(error, name),
    };
  }

  #checkEnd(): void {
    if (this.hasEnded) this.#resolveEnded();
  }

  /** Ends the attempt with an error from outside, for example too many failed checkpoints. */
  fail(error: unknown): void {
    this.#fail(error, null);
  }

  #fail(error: unknown, subtask: SubtaskName | null): void {
    if (this.#isClosed) return;
    this.#firstFailure ??= { error, subtask };
    this.#reject(error);
  }

  #find(ref: SubtaskRef): Subtask | undefined {
    return this.subtasks.find(({ name }) => name.vertexId === ref.vertexId && name.subtaskIndex === ref.subtaskIndex);
  }

  #vertexOf(subtask: Subtask): JobVertex {
    return this.graph.vertices.find((vertex) => vertex.id === subtask.name.vertexId)!;
  }
}
