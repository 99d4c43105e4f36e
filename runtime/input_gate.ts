/**
 * Reads the channels of a subtask in turn: hands records to the chain, combines
 * watermarks, and lets barriers align.
 *
 * Called by: runtime/subtask.ts, slice by slice.
 * Calls: channels, the watermark valve, a barrier handler, the head of the chain.
 *
 * Invariants:
 * - records of one channel keep their order; between channels there is none;
 * - from a blocked channel nothing is taken until the handler unblocks it.
 *
 * @module
 */
import type { BarrierAction, BarrierHandler } from "../checkpoint/barrier_handler.ts";
import type { Clock } from "../core/clock.ts";
import type { WatermarkValve } from "../timers/watermark_valve.ts";
import { Batch, type Channel, type Mark } from "./channel.ts";
import type { Output, RecordPort } from "./output.ts";
import type { BarrierArrival } from "./subtask_snapshots.ts";
import type { InputStatus, TaskInput } from "./task_input.ts";

/** What a gate asks of its subtask. */
export interface GateOwner {
  shouldPause(): boolean;
  wake(): void;
  /** All barriers are there: the snapshot is taken before anything else. */
  barrier(arrival: BarrierArrival): void;
  /** A checkpoint does not happen here. @param decline Whether the coordinator must be told. */
  barrierAborted(checkpointId: number, reason: string, decline: boolean): void;
}

/** All inputs of one subtask. */
export class InputGate implements TaskInput {
  #turn = 0;
  #openChannels: number;
  readonly #hasEnded: boolean[];
  /** Records taken. */
  recordsIn = 0;

  constructor(
    readonly channels: readonly Channel[],
    /** Where the records of each channel go. */
    private readonly ports: readonly RecordPort[],
    /** Where the combined watermark and idleness go. */
    private readonly head: Output<unknown>,
    private readonly valve: WatermarkValve,
    private readonly barriers: BarrierHandler,
    private readonly owner: GateOwner,
    private readonly clock: Clock,
  ) {
    this.#openChannels = channels.length;
    this.#hasEnded = channels.map(() => false);
    for (const channel of channels) channel.receiver = owner;
  }

  /** The combined watermark. */
  get watermarkMs(): number {
    return this.valve.watermark;
  }

  process(): InputStatus {
    for (;;) {
      const index = this.#nextChannel();
      if (index < 0) return this.#openChannels === 0 ? "ended" : "waiting";
      const element = this.channels[index]!.peek()!;
      if (element instanceof Batch) {
        if (!this.#takeRecords(index, element)) return "more";
      } else {
        this.channels[index]!.shift();
        if (this.#takeMark(index, element)) return "ended";
      }
      if (this.owner.shouldPause()) return "more";
    }
  }

  /** One from each channel at most, so that a call is short. */
  passBarriers(): boolean {
    let hasPassed = false;
    for (let index = 0; index < this.channels.length; index++) {
      const element = this.channels[index]!.peek();
      if (element === undefined || element instanceof Batch || this.barriers.isBlocked(index)) continue;
      if (element.kind !== "barrier" && element.kind !== "cancel-barrier") continue;
      this.channels[index]!.shift();
      this.#takeMark(index, element);
      hasPassed = true;
    }
    return hasPassed;
  }

  /** The coordinator has given a checkpoint up. */
  abortCheckpoint(checkpointId: number): void {
    this.#act(this.barriers.onAborted(checkpointId));
    this.owner.wake();
  }

  #nextChannel(): number {
    const count = this.channels.length;
    for (let i = 0; i < count; i++) {
      const index = (this.#turn + i) % count;
      if (this.channels[index]!.peek() === undefined || this.barriers.isBlocked(index)) continue;
      this.#turn = (index + 1) % count;
      return index;
    }
    return -1;
  }

  /** False when the batch was not finished: the next slice goes on with it. */
  #takeRecords(index: number, batch: Batch): boolean {
    const { values, timestamps, watermarks } = batch;
    const port = this.ports[index]!;
    while (batch.next < values.length) {
      const i = batch.next;
      // Timers that become due come before the record; when they are cut short, the record waits.
      if (this.#advance(index, watermarks[i]!) && this.owner.shouldPause()) return this.#stayWith(index);
      batch.next = i + 1;
      this.recordsIn++;
      port.collect(values[i], timestamps[i]!);
      if (this.owner.shouldPause() && batch.next < values.length) return this.#stayWith(index);
    }
    this.channels[index]!.shift();
    this.#advance(index, batch.lastWatermarkMs);
    return true;
  }

  #stayWith(index: number): false {
    this.#turn = index;
    return false;
  }

  /** True when this was the end of the last open channel. */
  #takeMark(index: number, mark: Mark): boolean {
    switch (mark.kind) {
      case "watermark":
        this.#advance(index, mark.watermarkMs);
        return false;
      case "idle":
        this.#setIdle(index, mark.isIdle);
        return false;
      case "barrier":
        this.#act(this.barriers.onBarrier(index, mark.barrier, this.clock.nowMs()));
        return false;
      case "cancel-barrier":
        this.#act(this.barriers.onCancel(index, mark));
        return false;
      case "end":
        // The sender still passes barriers on: an ended channel takes part in alignment until the job is over.
        if (this.#hasEnded[index]) return false;
        this.#hasEnded[index] = true;
        return --this.#openChannels === 0;
    }
  }

  /** Whether the combined watermark rose. */
  #advance(index: number, watermarkMs: number): boolean {
    if (!this.valve.advance(index, watermarkMs)) return false;
    this.head.watermark(this.valve.watermark);
    return true;
  }

  #setIdle(index: number, isIdle: boolean): void {
    const { valve, head } = this;
    const wasIdle = valve.idle;
    if (!isIdle) valve.markActive(index);
    else if (valve.markIdle(index)) head.watermark(valve.watermark);
    if (valve.idle !== wasIdle) head.idle(valve.idle);
  }

  #act(actions: readonly BarrierAction[]): void {
    for (const action of actions) {
      // Blocking and unblocking are asked through `isBlocked`.
      if (action.action === "trigger") this.owner.barrier(action);
      else if (action.action === "abort") {
        this.owner.barrierAborted(action.checkpointId, action.reason, action.decline);
      }
    }
  }
}
