/**
 * Starts checkpoints when they are due: every interval and on demand, no more
 * at once and no sooner after another than allowed.
 *
 * Called by: coordinator.ts.
 * Calls: request_decider.ts, the clock.
 *
 * Invariants:
 * - while started, not held, and with an interval, either a tick is scheduled or a periodic request waits;
 * - no two starts overlap.
 *
 * @module
 */
import type { Cancel, Clock } from "../core/clock.ts";
import { PERIODIC } from "./checkpoint_properties.ts";
import type { CheckpointProperties } from "./checkpoint_properties.ts";
import type { CompletedCheckpoint } from "./completed_checkpoint.ts";
import type { CoordinatorSettings } from "./coordinator_ports.ts";
import { CheckpointFailedError, type CheckpointFailureReason } from "./failure.ts";
import { type CheckpointRequest, type RequestFacts, RequestQueue } from "./request_decider.ts";
import type { CheckpointLocation } from "./storage.ts";

/** A request with somebody who waits for it. */
export interface WaitingRequest extends CheckpointRequest {
  /** Where a savepoint goes; null for a checkpoint. */
  readonly location: CheckpointLocation | null;
  resolve(checkpoint: CompletedCheckpoint): void;
  reject(error: CheckpointFailedError): void;
}

/** What a schedule looks at and starts. */
export interface ScheduleOptions {
  readonly clock: Clock;
  readonly settings: CoordinatorSettings;
  /** Checkpoints under way, without savepoints, and old ones whose files are being deleted. */
  load(): Pick<RequestFacts, "pendingCount" | "cleaningCount">;
  /** Starts a checkpoint; nothing else starts before it resolves. Never fails: the request settles. */
  begin(request: WaitingRequest): Promise<void> | void;
}

/** Requests for checkpoints, in time. */
export class TriggerSchedule {
  readonly #options: ScheduleOptions;
  readonly #queue = new RequestQueue<WaitingRequest>();
  #isStarted = false;
  #isTriggering = false;
  /** Only a savepoint with which the job stops may begin. */
  #isHeld = false;
  /** They came before or during a hold. */
  #heldBack: WaitingRequest[] = [];
  /** Settles when nothing is being started any more. */
  #starting: Promise<void> = Promise.resolve();
  /** A final checkpoint was asked for: all input has ended, so those that follow are final too. */
  #isFinal = false;
  #lastCompletionMs = Number.NEGATIVE_INFINITY;
  #cancelTick: Cancel = () => {};
  #cancelRetry: Cancel = () => {};

  /** Stopped at first. */
  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /** Whether requests are accepted. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Accepts requests and lets the interval make some. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#isHeld = false;
    this.#isFinal = false;
    this.#scheduleTick();
  }

  /** Turns down what waits, and all that comes. */
  stop(reason: CheckpointFailureReason, cause: unknown): void {
    this.#isStarted = false;
    this.#cancelTick();
    this.#cancelRetry();
    const why = cause === undefined ? {} : { cause };
    const waiting = [...this.#queue.clear(), ...this.#heldBack.splice(0)];
    for (const { properties: { type }, reject } of waiting) {
      reject(new CheckpointFailedError(null, reason, "checkpoints were stopped, must be running", { ...why, type }));
    }
  }

  /**
   * Lets nothing begin but a savepoint with which the job stops, until `release` or `start`.
   *
   * @returns Resolves when nothing is being started any more.
   */
  hold(): Promise<void> {
    this.#isHeld = true;
    this.#cancelTick();
    this.#cancelRetry();
    this.#heldBack.push(...this.#queue.clear());
    return this.#starting;
  }

  /** What was held back may begin. */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    const hasPeriodic = this.#heldBack.some((request) => request.periodic);
    for (const request of this.#heldBack.splice(0)) this.#enqueue(request);
    if (!hasPeriodic) this.#scheduleTick();
    this.pump();
  }

  /** Asks for a checkpoint. @param how `location`: where a savepoint goes; `periodic`: the interval asks. */
  submit(
    properties: CheckpointProperties,
    { location = null, periodic = false }: Partial<Pick<WaitingRequest, "location" | "periodic">> = {},
  ): Promise<CompletedCheckpoint> {
    return new Promise((resolve, reject) => {
      if (!this.#isStarted) {
        const { type } = properties;
        reject(new CheckpointFailedError(null, "stopped", "checkpoints are stopped, must be running", { type }));
        return;
      }
      this.#isFinal ||= properties.isFinal && properties.type === "checkpoint";
      const timestampMs = this.#options.clock.nowMs();
      const request: WaitingRequest = { properties, location, periodic, timestampMs, resolve, reject };
      if (this.#isHeld && !properties.synchronous) this.#heldBack.push(request);
      else this.#enqueue(request);
      this.pump();
    });
  }

  #enqueue(request: WaitingRequest): void {
    const refused = this.#queue.add(request);
    if (refused === null) return;
    if (refused.periodic) this.#scheduleTick();
    const detail = "too many requests are waiting; try again later";
    refused.reject(new CheckpointFailedError(null, "too-many-requests", detail));
  }

  /** A checkpoint has completed: the pause begins. */
  completed(): void {
    this.#lastCompletionMs = this.#options.clock.monotonicMs();
  }

  /** Starts what may start now; called whenever something has ended. */
  pump(): void {
    this.#cancelRetry();
    while (this.#isStarted) {
      const { maxConcurrent, minPauseMs } = this.#options.settings;
      const decision = this.#queue.next({
        ...this.#options.load(),
        isTriggering: this.#isTriggering,
        maxConcurrent,
        minPauseMs,
        lastCompletionMs: this.#lastCompletionMs,
        nowMs: this.#options.clock.monotonicMs(),
      });
      if (decision.action === "none") return;
      if (decision.action === "later") {
        this.#cancelRetry = this.#options.clock.schedule(decision.delayMs, () => this.pump());
        return;
      }
      this.#begin(decision.request);
    }
  }

  #begin(request: WaitingRequest): void {
    if (request.periodic) this.#scheduleTick();
    this.#isTriggering = true;
    // A savepoint says itself whether it was taken with a drain: that is not the end of the input.
    const isFinal = request.properties.type === "savepoint" ? request.properties.isFinal : this.#isFinal;
    const started = this.#options.begin({ ...request, properties: { ...request.properties, isFinal } });
    if (started === undefined) {
      this.#isTriggering = false;
      return;
    }
    this.#starting = started.then(() => {
      this.#isTriggering = false;
      this.pump();
    });
  }

  #scheduleTick(): void {
    const { intervalMs } = this.#options.settings;
    this.#cancelTick();
    if (intervalMs === null || !this.#isStarted) return;
    this.#cancelTick = this.#options.clock.schedule(intervalMs, () => {
      // Its failure is told to the listener; nobody waits for it here.
      this.submit(PERIODIC, { periodic: true }).catch(() => {});
    });
  }
}
