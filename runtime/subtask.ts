/**
 * The actor of the engine: one chain of operators with one mailbox. Records,
 * barriers, timers, completion notices and cancellation all pass through it,
 * so that an operator is never re-entered.
 *
 * Called by: runtime/host.ts (slices), runtime/attempt.ts (life, mails).
 * Calls: operators, exchanges, its input.
 *
 * Invariants:
 * - a mail runs between two steps, never within one; a step is one record or one timer;
 * - while an exchange waits for credit, a sink's buffer is full or timers are still firing, no record is read;
 *   a barrier that is next in its channel passes;
 * - at most one snapshot per checkpoint id;
 * - behind the barrier with which the job stops, nothing but mails runs until `resume`.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import type { Barrier } from "../core/element.ts";
import type { Exchange, ExchangeOwner } from "./exchange.ts";
import type { InnerInput, Operator, Resumable, TaskControl } from "./operator.ts";
import { OperatorError } from "./operator_error.ts";
import { type BarrierArrival, SubtaskSnapshots, type SubtaskSnapshotsPort } from "./subtask_snapshots.ts";
import { InputGate } from "./input_gate.ts";
import type { TaskInput } from "./task_input.ts";
import { TaskTimes } from "./task_times.ts";
import { Timeline } from "./timeline.ts";
import type { SubtaskState } from "./job_view.ts";

/** Steps between two looks at the clock and at what operators wait for. */
const STEPS_PER_CHECK = 64;

/** What a subtask tells the job. */
export interface SubtaskListener extends SubtaskSnapshotsPort {
  /** Every record has been read and every timer has fired; barriers still pass. */
  inputEnded(): void;
  failed(error: Error): void;
}

/** What a subtask asks of its host. */
export interface SubtaskHost {
  /** Runs a slice of this subtask soon. */
  schedule(subtask: Subtask): void;
}

/** Names a subtask for people. */
export interface SubtaskName {
  readonly vertexId: string;
  readonly vertexName: string;
  readonly subtaskIndex: number;
}

/** One parallel instance of a chain. */
export class Subtask implements TaskControl, ExchangeOwner {
  /** Set by the builder before `open`; upstream first. */
  operators: readonly Operator<never, unknown>[] = [];
  /** Set by the builder before `open`. */
  exchanges: readonly Exchange<unknown>[] = [];
  /** Set by the builder before `open`. */
  input: TaskInput | null = null;
  /** Set by the host; whether a slice is due. */
  isScheduled = false;
  readonly times: TaskTimes;
  readonly snapshots: SubtaskSnapshots;
  /** Where it is in its life. */
  readonly life: Timeline<SubtaskState>;
  private readonly mails: (() => void)[] = [];
  readonly #work: (() => void)[] = [];
  readonly #resumables: Resumable[] = [];
  /** Messages from other operators. */
  #inner: readonly InnerInput[] = [];
  /** Those whose buffers may be full. */
  #holding: readonly Operator<never, unknown>[] = [];
  #isBlocked = false;
  #backpressure: Promise<void> | null = null;
  /** Whether that is a changelog's. */
  #waitsForChangelog = false;
  private pause = false;
  private steps = 0;
  private sliceEndMs = 0;
  #hasEnded = false;
  #endIsSent = false;
  #isRunning = false;
  /** The barrier with which the job stops has passed. */
  #isSuspended = false;
  #isClosed = false;

  constructor(
    readonly name: SubtaskName,
    private readonly clock: Clock,
    private readonly host: SubtaskHost,
    private readonly listener: SubtaskListener,
  ) {
    this.times = new TaskTimes(clock);
    this.snapshots = new SubtaskSnapshots(this, clock, listener);
    this.life = new Timeline("created", clock);
  }

  /** Opens the operators, downstream first, so that what they emit finds its way. */
  async open(): Promise<void> {
    this.life.enter("opening");
    for (const operator of this.operators.toReversed()) {
      try {
        await operator.open();
      } catch (cause) {
        this.life.enter("failed");
        throw OperatorError.of(operator.name, this.name.subtaskIndex, cause);
      }
      if (this.#isClosed) return;
    }
    this.#holding = this.operators.filter((operator) => operator.backpressure !== undefined);
    this.#inner = this.operators.flatMap((operator) => operator.inner ?? []);
  }

  /** Lets records flow. */
  start(): void {
    this.#isRunning = true;
    this.life.enter("running");
    this.post(() => {
      for (const operator of this.operators.toReversed()) operator.start();
    });
  }

  /** Whether every record has been read and every timer has fired. */
  get hasEnded(): boolean {
    return this.#endIsSent;
  }

  /** Runs until there is nothing to do, a pause is due, or `budgetMs` has passed; true when work is left. */
  runSlice(budgetMs: number): boolean {
    if (!this.#isRunning) return false;
    const startMs = this.clock.monotonicMs();
    this.sliceEndMs = startMs + budgetMs;
    this.times.beginBusy(startMs);
    let isBusy = false;
    try {
      for (let i = 0; i < this.operators.length; i++) this.operators[i]!.beginSlice();
      isBusy = this.#runUntilPause();
      for (const exchange of this.exchanges) exchange.flush();
    } catch (error) {
      this.fail(error);
    }
    for (let i = 0; i < this.operators.length; i++) this.operators[i]!.endSlice();
    const nowMs = this.clock.monotonicMs();
    if (this.#isHeldBack()) this.times.beginHeldBack(nowMs, !this.#isBlocked && this.#waitsForChangelog);
    else if (!isBusy) this.times.beginIdle(nowMs);
    return isBusy && this.#isRunning;
  }

  #runUntilPause(): boolean {
    for (;;) {
      this.pause = false;
      this.#runMails();
      if (!this.#isRunning || this.#isSuspended) return false;
      if (this.#isHeldBack()) {
        // Records wait; a barrier that is next in its channel need not, as barriers need no room.
        this.input!.passBarriers();
        return false;
      }
      if (this.#resumables.length > 0) {
        // A barrier that is next in its channel need not wait until the last timer has fired.
        this.input!.passBarriers();
        if (this.#isSuspended) return false;
        this.#resume();
      } else if (this.#work.length > 0) {
        this.#work.shift()!();
        this.#flushOperators();
        this.#finishEnd();
      } else if (this.#takeInner()) {
        this.#flushOperators();
        // Messages that go on for ever must not hold barriers up, nor records: one of each turn is for them.
        if (!this.#isHeldBack() && !this.#hasEnded && this.input!.process() === "ended") this.#end();
        this.#flushOperators();
        this.#finishEnd();
      } else {
        const status = this.#hasEnded ? "waiting" : this.input!.process();
        this.#flushOperators();
        if (status === "ended") this.#end();
        if (status === "waiting" && !this.#hasMore()) {
          this.#askBackpressure();
          // After its end a gate still passes barriers; a pause may have left some.
          return this.#hasEnded && this.input!.process() === "more";
        }
      }
      this.#askBackpressure();
      if (this.clock.monotonicMs() >= this.sliceEndMs) return !this.#isHeldBack();
    }
  }

  /** Whether there were messages. */
  #takeInner(): boolean {
    let hasTaken = false;
    for (let i = 0; i < this.#inner.length; i++) {
      const inner = this.#inner[i]!;
      if (!inner.isReady) continue;
      inner.process();
      hasTaken = true;
    }
    return hasTaken;
  }

  /** Upstream first: what one sends, the next may put off again. */
  #flushOperators(): void {
    for (let i = 0; i < this.operators.length; i++) this.operators[i]!.flush();
  }

  #hasMore(): boolean {
    return this.mails.length > 0 || this.#resumables.length > 0 || this.#work.length > 0 ||
      this.#inner.some((inner) => inner.isReady);
  }

  #runMails(): void {
    for (let mail = this.mails.shift(); mail !== undefined; mail = this.mails.shift()) {
      mail();
      if (!this.#isRunning) return;
    }
  }

  #resume(): void {
    const first = this.#resumables[0]!;
    const isDone = first.resume();
    this.#flushOperators();
    if (isDone) {
      this.#resumables.shift();
      this.#finishEnd();
    }
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#finishEnd();
  }

  /** The end is passed on only after the last timer has fired and the last call has ended. */
  #finishEnd(): void {
    if (!this.#hasEnded || this.#endIsSent || this.#resumables.length > 0) return;
    if (this.operators.some((operator) => operator.isWaiting)) return;
    this.#endIsSent = true;
    this.life.enter("finished");
    for (const exchange of this.exchanges) exchange.endOfInput();
    this.listener.inputEnded();
  }

  #isHeldBack(): boolean {
    return this.#isBlocked || this.#backpressure !== null;
  }

  /** The first operator with a full buffer holds the subtask back. */
  #askBackpressure(): void {
    for (let i = 0; i < this.#holding.length && this.#backpressure === null; i++) {
      const operator = this.#holding[i]!;
      const promise = operator.backpressure!();
      if (promise === undefined) continue;
      this.#backpressure = promise;
      this.#waitsForChangelog = operator.waitsForChangelog;
      promise.then(() => {
        this.#backpressure = null;
        this.wake();
      }, (cause) => this.fail(OperatorError.of(operator.name, this.name.subtaskIndex, cause)));
    }
  }

  shouldPause(): boolean {
    if (this.pause || this.mails.length > 0) return true;
    if (++this.steps % STEPS_PER_CHECK === 0) {
      this.#askBackpressure();
      if (this.#backpressure !== null || this.clock.monotonicMs() >= this.sliceEndMs) this.pause = true;
    }
    return this.pause;
  }

  creditChanged(): void {
    const wasBlocked = this.#isBlocked;
    this.#isBlocked = this.exchanges.some((exchange) => exchange.isBlocked);
    if (this.#isBlocked) this.pause = true;
    else if (wasBlocked) this.wake();
  }

  post(mail: () => void): void {
    this.mails.push(mail);
    this.wake();
  }

  postWork(work: () => void): void {
    if (this.#endIsSent) return;
    this.#work.push(work);
    this.pause = true;
    this.wake();
  }

  wake(): void {
    if (this.#isRunning) this.host.schedule(this);
  }

  interrupt(): void {
    this.pause = true;
    this.wake();
  }

  resumeLater(work: Resumable): void {
    this.#resumables.push(work);
    this.pause = true;
  }

  /** A barrier has arrived on every input, or the coordinator has sent it to this source. */
  barrier(arrival: BarrierArrival): void {
    this.#flushOperators();
    this.snapshots.take(arrival);
    if (arrival.barrier.stops !== true) return;
    this.#isSuspended = true;
    this.pause = true;
  }

  /** The job goes on after all: what comes behind the barrier with which it was to stop is processed. */
  resume(): void {
    this.#isSuspended = false;
    this.wake();
  }

  /** The gate has found out that a checkpoint does not happen here. */
  barrierAborted(checkpointId: number, reason: string, decline: boolean): void {
    this.cancelBarrier(checkpointId);
    if (decline) {
      this.listener.decline(checkpointId, new Error(`its barrier was ${reason} at "${this.name.vertexName}"`));
    }
  }

  /** Passes on that a checkpoint will not complete. */
  cancelBarrier(checkpointId: number): void {
    for (const exchange of this.exchanges) exchange.cancelBarrier(checkpointId);
  }

  /** The coordinator has given a checkpoint up. */
  abortCheckpoint(checkpointId: number): void {
    if (this.input instanceof InputGate) this.input.abortCheckpoint(checkpointId);
    this.snapshots.abort(checkpointId);
  }

  /** Sends a barrier to every subtask downstream. */
  forward(barrier: Barrier): void {
    for (const exchange of this.exchanges) exchange.barrier(barrier);
  }

  fail(error: unknown): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.life.enter("failed");
    this.listener.failed(OperatorError.of(this.name.vertexName, this.name.subtaskIndex, error));
  }

  /**
   * Stops at once and frees everything; safe to call at any moment and twice. Errors while closing are returned, not
   * thrown. @param end What becomes of one that is neither at its end nor failed.
   */
  async close(end: "finished" | "cancelled"): Promise<readonly unknown[]> {
    this.#isRunning = false;
    if (this.#isClosed) return [];
    this.#isClosed = true;
    if (this.life.state !== "failed" && this.life.state !== "finished") this.life.enter(end);
    this.snapshots.cancelAll(new Error("the subtask was closed"));
    const errors: unknown[] = [];
    for (const operator of this.operators) {
      try {
        await operator.close();
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }
}
