/**
 * Sends the records of one subtask to the subtasks downstream: by key, in turn,
 * to all, or one to one.
 *
 * Called by: the last operator of a chain (records), runtime/subtask.ts (barriers, flush).
 * Calls: runtime/channel.ts, the key selector.
 *
 * Invariants:
 * - a record, a watermark and a barrier reach each channel in the order they came;
 * - `isBlocked` whenever a batch waits for credit. A single step may overshoot;
 *   `overshootRecords` counts by how much.
 *
 * @module
 */
import type { Barrier } from "../core/element.ts";
import { MIN_WATERMARK } from "../core/element.ts";
import type { Key } from "../core/key.ts";
import { keyGroupOf, operatorIndexOf } from "../core/key_groups.ts";
import { Batch, BATCH_SIZE, type Channel, type ChannelSender, type Mark } from "./channel.ts";
import { OperatorError } from "./operator_error.ts";
import type { ChainEnd, Output } from "./output.ts";

/** What an exchange asks of its subtask. */
export interface ExchangeOwner {
  /** An exchange has run out of credit, or has it again. */
  creditChanged(): void;
}

/** One channel as its sender sees it: the batch that is being filled and what waits for credit. */
class Lane {
  batch: Batch | null = null;
  readonly waiting: (Batch | Mark)[] = [];
  lastWatermarkMs = MIN_WATERMARK;

  constructor(readonly channel: Channel) {}

  add(value: unknown, timestampMs: number, watermarkMs: number): boolean {
    const batch = this.batch ??= new Batch();
    const index = batch.values.length;
    batch.values.push(value);
    batch.timestamps[index] = timestampMs;
    batch.watermarks[index] = watermarkMs;
    return index + 1 === BATCH_SIZE;
  }

  /** Closes the batch in hand. */
  cut(watermarkMs: number): void {
    const batch = this.batch;
    if (batch !== null) {
      this.batch = null;
      batch.lastWatermarkMs = watermarkMs;
      this.waiting.push(batch);
    } else if (watermarkMs > this.lastWatermarkMs) {
      this.waiting.push({ kind: "watermark", watermarkMs });
    }
    this.lastWatermarkMs = watermarkMs;
  }

  /** Sends what there is credit for; true when nothing waits. */
  drain(): boolean {
    let sent = 0;
    const { waiting, channel } = this;
    while (sent < waiting.length) {
      const element = waiting[sent]!;
      if (element instanceof Batch && !channel.hasCredit) break;
      channel.send(element);
      sent++;
    }
    if (sent > 0) waiting.splice(0, sent);
    return waiting.length === 0;
  }
}

/** What the exchanges share; each says which lane a record takes. */
export abstract class Exchange<T> implements Output<T>, ChainEnd, ChannelSender {
  /** Whether a batch waits for credit. */
  isBlocked = false;
  /** Records that were taken while blocked. */
  overshootRecords = 0;
  /** Records sent, over all channels. */
  recordsOut = 0;
  protected readonly lanes: readonly Lane[];
  protected watermarkMs = MIN_WATERMARK;

  constructor(readonly channels: readonly Channel[], private readonly owner: ExchangeOwner) {
    this.lanes = channels.map((channel) => new Lane(channel));
    for (const channel of channels) channel.sender = this;
  }

  abstract collect(value: T, timestampMs: number): void;

  /** Records given to it, whatever number of channels each went to. */
  get recordsTaken(): number {
    return this.recordsOut;
  }

  watermark(watermarkMs: number): void {
    if (watermarkMs > this.watermarkMs) this.watermarkMs = watermarkMs;
  }

  idle(isIdle: boolean): void {
    this.#mark({ kind: "idle", isIdle });
  }

  barrier(barrier: Barrier): void {
    this.#mark({ kind: "barrier", barrier });
  }

  cancelBarrier(checkpointId: number): void {
    this.#mark({ kind: "cancel-barrier", checkpointId });
  }

  endOfInput(): void {
    this.#mark({ kind: "end" });
  }

  flush(): void {
    for (const lane of this.lanes) lane.cut(this.watermarkMs);
    this.#drain();
  }

  creditReturned(): void {
    this.#drain();
  }

  protected append(lane: Lane, value: T, timestampMs: number): void {
    this.recordsOut++;
    if (this.isBlocked) this.overshootRecords++;
    if (lane.add(value, timestampMs, this.watermarkMs)) {
      lane.cut(this.watermarkMs);
      if (!lane.drain()) this.#block();
    }
  }

  #mark(mark: Mark): void {
    for (const lane of this.lanes) {
      lane.cut(this.watermarkMs);
      lane.waiting.push(mark);
    }
    this.#drain();
  }

  #drain(): void {
    let isEmpty = true;
    for (const lane of this.lanes) isEmpty = lane.drain() && isEmpty;
    if (!isEmpty) this.#block();
    else if (this.isBlocked) {
      this.isBlocked = false;
      this.owner.creditChanged();
    }
  }

  #block(): void {
    if (this.isBlocked) return;
    this.isBlocked = true;
    this.owner.creditChanged();
  }
}

/** Whom an error in a key is told of: the keyed operator, whose selector runs in the subtasks that send to it. */
export interface HashTarget {
  readonly operatorName: string;
  /** Subtask that sends. */
  readonly senderIndex: number;
}

/** Key → key group → subtask. */
export class HashExchange<T> extends Exchange<T> {
  readonly #laneOfGroup: readonly Lane[];

  constructor(
    channels: readonly Channel[],
    owner: ExchangeOwner,
    private readonly keyOf: (value: T) => Key,
    private readonly maxParallelism: number,
    private readonly target: HashTarget,
  ) {
    super(channels, owner);
    const parallelism = channels.length;
    this.#laneOfGroup = Array.from(
      { length: maxParallelism },
      (_, group) => this.lanes[operatorIndexOf(group, { parallelism, maxParallelism })]!,
    );
  }

  collect(value: T, timestampMs: number): void {
    let group: number;
    try {
      group = keyGroupOf(this.keyOf(value), this.maxParallelism);
    } catch (cause) {
      const { operatorName, senderIndex } = this.target;
      throw OperatorError.of(operatorName, senderIndex, cause, this.recordsOut + 1, value);
    }
    this.append(this.#laneOfGroup[group]!, value, timestampMs);
  }
}

/** Each subtask in turn, beginning with the sender's own index so that senders spread. */
export class RebalanceExchange<T> extends Exchange<T> {
  #turn: number;

  constructor(channels: readonly Channel[], owner: ExchangeOwner, subtaskIndex: number) {
    super(channels, owner);
    this.#turn = subtaskIndex % channels.length;
  }

  collect(value: T, timestampMs: number): void {
    const turn = this.#turn;
    this.#turn = turn + 1 === this.lanes.length ? 0 : turn + 1;
    this.append(this.lanes[turn]!, value, timestampMs);
  }
}

/** Every subtask. With a single channel it is the forward exchange. */
export class BroadcastExchange<T> extends Exchange<T> {
  override get recordsTaken(): number {
    return this.recordsOut / this.lanes.length;
  }

  collect(value: T, timestampMs: number): void {
    for (let i = 0; i < this.lanes.length; i++) this.append(this.lanes[i]!, value, timestampMs);
  }
}
