/**
 * What every operator with keyed state shares: its backend, its timers, and
 * how both travel through checkpoints.
 *
 * Called by: runtime/subtask.ts, subclasses.
 * Calls: the state backend, timers/.
 *
 * Invariants:
 * - records are processed in the order in which they came, a few of them together (look_ahead.ts); the subtask calls
 *   `flush` before anything that must find them processed;
 * - a watermark goes downstream only after every timer it makes due has fired;
 *   a pause in between holds back records but not barriers, so the timers that
 *   have not fired yet are in the snapshot, and fire first after a restore.
 *
 * @module
 */
import type { StateBackend } from "../../core/backend.ts";
import { type Barrier, MAX_WATERMARK, MIN_WATERMARK, NO_TIMESTAMP } from "../../core/element.ts";
import { StreamError } from "../../core/errors.ts";
import type { Key, Namespace } from "../../core/key.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import type { Timer, TimerTarget } from "../../core/timer.ts";
import { MailboxProcessingTime } from "../../timers/processing_time.ts";
import { TimerService } from "../../timers/timer_service.ts";
import type { ActorScope, TimeDomain } from "../actor.ts";
import { KeyedStates } from "../keyed_states.ts";
import { type QueriedState, type QueryResult, StateReader } from "../state_reader.ts";
import { type FeedbackOwner, KeyedFeedback, TOLD_LATER } from "../feedback/keyed_feedback.ts";
import { TOLD } from "../feedback/message.ts";
import { Outbox } from "../feedback/outbox.ts";
import { LOOK_AHEAD, LookAhead, WORTH_FETCHING } from "./look_ahead.ts";
import { openBackend } from "./opened_backend.ts";
import { openTimerQueue } from "./timer_queues.ts";
import { TimersOfCurrentKey } from "./timers_of_key.ts";
import {
  type InnerInput,
  Operator,
  type OperatorContext,
  type OperatorSnapshotParts,
  type Resumable,
} from "../operator.ts";
import { watermarkList, watermarkOf } from "../operator_lists.ts";
import { RefusingOutput } from "../output.ts";
import { StateLatency } from "../state_latency.ts";

/** Records from one whose key is looked at again to the next. */
const CHECK_INTERVAL = 1_024;

/** Base of operators that hold state per key. */
export abstract class KeyedOperator<K extends Key, I, O> extends Operator<I, O>
  implements TimerTarget, Resumable, FeedbackOwner {
  /** Set by `open`. */
  protected backend!: StateBackend;
  /** Set by `open`. */
  protected states!: KeyedStates;
  /** Set by `open`. */
  protected timers!: TimerService;
  /** Set by `open`. */
  protected scope!: ActorScope;
  /** Asked between two timers. */
  readonly #interrupted: () => boolean;
  private readonly ahead = new LookAhead<K, I>();
  /** The last watermark: it waits behind a record that looks ahead, its timers are firing, or it has gone downstream. */
  private watermarkMs = MIN_WATERMARK;
  /** Watermark that has gone downstream. */
  #passedMs = MIN_WATERMARK;
  #isFiring = false;
  /** What an actor emits to between two slices; null before `start`, and once it is closed. */
  #between: RefusingOutput | null = null;
  /** Null for an operator that neither tells others nor is told. */
  readonly #feedback: KeyedFeedback | null;
  readonly #sideOutput = (tagId: string) => this.side(tagId);
  readonly #noSideOutput = () => this.#between!;
  /** Made by the first query. */
  #reader: StateReader | null = null;
  /** Number of the record whose key is looked at again. */
  private nextCheck: number;

  constructor(context: OperatorContext, protected readonly keyOf: (value: I) => K) {
    super(context);
    const { task, feedback } = context;
    this.#feedback = feedback === null ? null : new KeyedFeedback(feedback, context, this);
    this.nextCheck = context.parallelism > 1 ? 1 : Number.POSITIVE_INFINITY;
    this.#interrupted = () => task.shouldPause();
  }

  /** Called for every record, with key and timestamp set. */
  protected abstract onRecord(value: I): void;

  /** Called for every due timer, with key and timestamp set. */
  protected abstract onDueTimer(timestampMs: number, domain: TimeDomain, namespace: Namespace): void;

  /** Makes what lives on state and timers; all state is declared here. */
  protected abstract declare(): void;

  /** What a user's code does before the first record. */
  protected prepare(): void | Promise<void> {}

  override async open(): Promise<void> {
    await this.openState();
    await this.backend.finishRestore?.();
    await this.prepare();
  }

  override get waitsForChangelog(): boolean {
    return this.backend.waitsForChangelog === true;
  }

  /** The part of `open` that restores and declares state, for whoever wants to know what an operator declares. */
  async openState(): Promise<void> {
    const { context } = this;
    await openBackend(context, (backend) => this.backend = backend);
    if (this.backend.backpressure !== undefined) this.backpressure = () => this.backend.backpressure!();
    this.states = new KeyedStates(this.backend, context.clock, latencyOf(context));
    this.timers = await this.#openTimers();
    const refusing = new RefusingOutput(this.name);
    this.scope = {
      backend: this.backend,
      states: this.states,
      timers: new TimersOfCurrentKey(this.timers),
      metrics: context.metrics,
      operatorName: this.name,
      out: refusing,
      timestampMs: NO_TIMESTAMP,
      isSealed: false,
      sideOutput: () => refusing,
      outbox: context.feedback?.outbox ?? new Outbox(this.name, new Map()),
    };
    this.#feedback?.open(this.scope, this.timers);
    this.watermarkMs = watermarkOf(context.restore?.lists["watermark"]);
    this.timers.currentWatermark = this.watermarkMs;
    this.declare();
  }

  async #openTimers(): Promise<TimerService> {
    const { context } = this;
    const queues = { ...context, backend: this.backend, backendName: context.backendFactory.name };
    return new TimerService({
      name: "user-timers",
      keys: this.backend,
      eventTime: await openTimerQueue("event", queues),
      processingTime: await openTimerQueue("processing", queues),
      clock: new MailboxProcessingTime(context.clock, (work) => context.task.postWork(work)),
      target: this,
      onFired: context.metrics.counter("numFiredTimers"),
      interrupted: this.#interrupted,
    });
  }

  override start(): void {
    const refuse = (error: StreamError) => this.context.task.fail(this.failureOutsideRecords(error));
    this.#between = new RefusingOutput(this.name, refuse);
    this.scope.outbox.refuse = refuse;
    this.beginSlice();
    this.timers.start();
    if (this.watermarkMs > MIN_WATERMARK) this.#fire();
  }

  collect(value: I, timestampMs: number): void {
    this.recordsIn.count++;
    const { ahead } = this;
    const index = ahead.count;
    if (index === 0 && this.backend.looksAhead !== true) return this.processNow(value, timestampMs);
    try {
      ahead.keys[index] = this.keyOf(value);
    } catch (cause) {
      throw this.failure(cause, value);
    }
    ahead.values[index] = value;
    ahead.timestamps[index] = timestampMs;
    ahead.count = index + 1;
    if (index + 1 === LOOK_AHEAD) this.flush();
  }

  override get inner(): InnerInput | null {
    return this.#feedback;
  }

  override get isWaiting(): boolean {
    return this.#feedback !== null && this.#feedback.isWaiting;
  }

  onTold(key: Key, value: unknown, timestampMs: number): void {
    this.flush();
    this.recordsIn.count++;
    try {
      this.scope.timestampMs = timestampMs;
      // Who tells it says of which types key and value are.
      this.setKey(key as K);
      this.onRecord(value as I);
    } catch (cause) {
      throw this.failure(cause, value);
    }
    // No watermark comes any more that would fire what the message has set.
    if (this.watermarkMs === MAX_WATERMARK && this.timers.nextEventTimeMs < Number.POSITIVE_INFINITY) this.#fire();
  }

  private processNow(value: I, timestampMs: number): void {
    try {
      this.scope.timestampMs = timestampMs;
      this.setKey(this.keyOf(value));
      this.onRecord(value);
    } catch (cause) {
      throw this.failure(cause, value);
    }
  }

  /** Processes a record of a second input, after those of the first that still look ahead. */
  protected collectSecond<V>(value: V, timestampMs: number, keyOf: (value: V) => K, step: (value: V) => void): void {
    this.flush();
    this.recordsIn.count++;
    try {
      this.scope.timestampMs = timestampMs;
      this.setKey(keyOf(value));
      step(value);
    } catch (cause) {
      throw this.failure(cause, value);
    }
  }

  override flush(): void {
    const { ahead } = this;
    const { count } = ahead;
    if (count === 0) return;
    if (count >= WORTH_FETCHING) this.backend.prefetch?.(ahead.keys, count);
    for (let i = 0; i < count; i++) {
      try {
        this.scope.timestampMs = ahead.timestamps[i]!;
        this.setKey(ahead.keys[i]!);
        this.onRecord(ahead.values[i]!);
      } catch (cause) {
        throw this.failure(cause, ahead.values[i], this.recordsIn.count - count + i + 1);
      }
      if (ahead.watermarks[i]! > MIN_WATERMARK) this.#passWithin(i);
    }
    ahead.count = 0;
    if (count === LOOK_AHEAD) ahead.renew();
  }

  /**
   * A watermark between two records that look ahead. Only timers which those records have set can be due, here and
   * downstream in the chain: so few that they need not be interruptible.
   */
  #passWithin(index: number): void {
    const watermarkMs = this.ahead.watermarks[index]!;
    this.ahead.watermarks[index] = MIN_WATERMARK;
    this.timers.advanceWatermark(watermarkMs, never);
    this.#passedMs = watermarkMs;
    this.out.watermark(watermarkMs);
  }

  private setKey(key: K): void {
    try {
      this.backend.setCurrentKey(key);
      if (this.recordsIn.count >= this.nextCheck) this.#checkGroup(key);
    } catch (cause) {
      // A key of the wrong type fails again after every restart.
      if (cause instanceof TypeError) throw new StreamError("invalid", cause.message, { cause });
      throw cause;
    }
  }

  /** The sender has computed the key as well: when both differ, the state of a key is spread over subtasks. */
  #checkGroup(key: K): void {
    this.nextCheck = this.recordsIn.count + CHECK_INTERVAL;
    if (this.owns(key)) return;
    throw new StreamError(
      "invalid",
      `Cannot keep state in "${this.name}": the function given to keyBy() has returned another key for the same value; ` +
        `it must depend on the value alone, without clock, randomness or counters`,
    );
  }

  /** Whether the key belongs to this subtask. */
  owns(key: K): boolean {
    const { maxParallelism, keyGroups } = this.context;
    const group = keyGroupOf(key, maxParallelism);
    return group >= keyGroups.start && group <= keyGroups.end;
  }

  /** A copy of what a state holds for a key; between two steps. @throws {StreamError} If there is no such state. */
  readState<D extends QueriedState>(state: D, key: K): QueryResult<D> {
    this.flush();
    this.#reader ??= new StateReader({
      operatorName: this.name,
      backend: this.backend,
      declared: this.states.declared,
      nowMs: () => this.context.clock.nowMs(),
    });
    return this.#reader.read(state, key);
  }

  override beginSlice(): void {
    if (this.#between === null) return;
    this.states.beginSlice();
    this.scope.out = this.out;
    this.scope.sideOutput = this.#sideOutput;
    this.scope.outbox.isOpen = true;
  }

  override endSlice(): void {
    const between = this.#between;
    if (between === null) return;
    this.scope.out = between;
    this.scope.sideOutput = this.#noSideOutput;
    this.scope.timestampMs = NO_TIMESTAMP;
    this.scope.outbox.isOpen = false;
    this.backend.leaveKey?.();
    this.states.endSlice(this.recordsIn.count);
  }

  override watermarkAfter(): number {
    return this.#passedMs;
  }

  override watermark(watermarkMs: number): void {
    if (watermarkMs <= this.watermarkMs) return;
    this.watermarkMs = watermarkMs;
    const { ahead } = this;
    if (ahead.count > 0) {
      if (this.#feedback === null && this.context.isLastKeyed && watermarkMs < this.timers.nextEventTimeMs) {
        ahead.watermarks[ahead.count - 1] = watermarkMs;
        return;
      }
      this.flush();
    }
    this.#fire();
  }

  override idle(isIdle: boolean): void {
    this.flush();
    this.out.idle(isIdle);
  }

  resume(): boolean {
    this.#isFiring = false;
    return this.#fireSome();
  }

  #fire(): void {
    if (!this.#isFiring && !this.#fireSome()) this.context.task.resumeLater(this);
  }

  #fireSome(): boolean {
    if (!this.timers.advanceWatermark(this.watermarkMs, this.#interrupted)) {
      this.#isFiring = true;
      return false;
    }
    if (this.watermarkMs === MAX_WATERMARK && this.#feedback !== null) this.#feedback.reachEnd();
    else this.passWatermark();
    return true;
  }

  /** Passes the watermark on, whose timers have all fired. */
  passWatermark(): void {
    this.#passedMs = this.watermarkMs;
    this.out.watermark(this.watermarkMs);
  }

  onEventTime(timer: Timer): void {
    this.#onTimer(timer, "event");
  }

  /** A restored message that nobody could have told this operator. */
  #untold(): StreamError {
    return new StreamError(
      "invalid",
      `Cannot deliver what "${this.name}" was told for later: the checkpoint holds a message to it, and nobody tells it ` +
        "anything any more; name it among the tells of whoever did",
    );
  }

  onProcessingTime(timer: Timer): void {
    if (this.#feedback !== null && this.#feedback.fire(timer.timestampMs, timer.namespace, timer.key)) return;
    if (timer.namespace === TOLD_LATER) throw this.#untold();
    this.#onTimer(timer, "processing");
  }

  #onTimer(timer: Timer, domain: TimeDomain): void {
    try {
      // The time of a processing-time timer is the wall clock's, not event time.
      this.scope.timestampMs = domain === "event" ? timer.timestampMs : NO_TIMESTAMP;
      this.onDueTimer(timer.timestampMs, domain, timer.namespace);
    } catch (cause) {
      throw this.failure(cause, { timer: timer.timestampMs, key: timer.key });
    }
  }

  override snapshot(barrier: Barrier): OperatorSnapshotParts {
    const watermarkMs = this.watermarkMs;
    const { checkpointId, full, format } = barrier;
    const keyed = this.backend.snapshot({ checkpointId, full, canonical: format === "canonical" });
    const told = this.#feedback?.snapshot(checkpointId) ?? Promise.resolve(null);
    return {
      keyed,
      lists: async () => {
        const list = await told;
        return { watermark: watermarkList(watermarkMs), ...(list === null ? {} : { [TOLD]: list }) };
      },
    };
  }

  override checkpointCompleted(checkpointId: number): void {
    this.backend.confirm(checkpointId);
  }

  override checkpointAborted(checkpointId: number): void {
    this.backend.abort(checkpointId);
    this.#feedback?.abort(checkpointId);
  }

  /** From here on nothing can be emitted. */
  protected refuseOutput(): void {
    this.#between = null;
    if (this.scope === undefined) return;
    const refusing = new RefusingOutput(this.name);
    this.scope.out = refusing;
    this.scope.sideOutput = () => refusing;
  }

  override async close(): Promise<void> {
    this.refuseOutput(); // The job may have ended: whoever emits now has to hear of it.
    this.timers?.close();
    this.#feedback?.close();
    await this.backend?.close();
  }
}

const never = () => false;

/** Null: nothing is measured. */
function latencyOf({ stateLatency, clock, metrics }: OperatorContext): StateLatency | null {
  return stateLatency === null ? null : new StateLatency(stateLatency, clock, metrics);
}
