/**
 * What one subtask of an actor has been told and has not processed, and what of it belongs to which checkpoint.
 *
 * Messages of one sender keep their order; a sender that passes a barrier leaves a mark behind its messages. Messages
 * behind the mark of a checkpoint that is not taken here yet are held: they would be in this actor's state and be sent
 * again after a restore. Messages before the mark of one that is taken here already are in flight for it, and are added to
 * it. There is no credit, so nobody ever waits for room: at the limit the job fails.
 *
 * Called by: runtime/feedback/outbox.ts (senders), runtime/operators/keyed_operator.ts, runtime/subtask.ts.
 * Calls: runtime/feedback/message.ts.
 *
 * Source: Chandy and Lamport, "Distributed Snapshots", 1985.
 *
 * Invariants:
 * - a message is processed in the same epoch at its receiver in which it was sent, or is in the checkpoint between.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import type { OperatorList } from "../../core/snapshot.ts";
import type { FeedbackGroup } from "./feedback_group.ts";
import { itemsOf, type Message, toldList } from "./message.ts";

/** What an inbox needs to know. */
export interface InboxOptions {
  /** The actor that is told, for errors. */
  readonly actorName: string;
  /** Senders, numbered from 0. */
  readonly senderCount: number;
  /** Messages that may wait. */
  readonly limit: number;
  readonly group: FeedbackGroup;
}

/** Where one sender's messages and marks wait, a mark as its checkpoint id. */
class Lane {
  private entries: (Message | number)[] = [];
  private next = 0;

  get isEmpty(): boolean {
    return this.next === this.entries.length;
  }

  /** The oldest; undefined when there is none. */
  get head(): Message | number | undefined {
    return this.entries[this.next];
  }

  get length(): number {
    return this.entries.length - this.next;
  }

  push(entry: Message | number): void {
    this.entries.push(entry);
  }

  shift(): void {
    this.next++;
    if (this.next * 2 < this.entries.length) return;
    this.entries = this.entries.slice(this.next);
    this.next = 0;
  }

  /** Messages before a mark, or all when it is not there. */
  before(checkpointId: number): { readonly messages: Message[]; readonly isComplete: boolean } {
    const messages: Message[] = [];
    for (let i = this.next; i < this.entries.length; i++) {
      const entry = this.entries[i]!;
      if (typeof entry !== "number") messages.push(entry);
      else if (entry === checkpointId) return { messages, isComplete: true };
    }
    return { messages, isComplete: false };
  }
}

/** The messages in flight of a checkpoint, while some may still come. */
interface Log {
  readonly checkpointId: number;
  readonly items: Uint8Array[];
  /** Senders whose mark has not come. */
  readonly open: Set<number>;
  readonly finish: () => void;
}

/** Messages for one subtask of one actor. */
export class Inbox {
  /** Called when there may be something to process. */
  onMessage: () => void = () => {};
  private readonly lanes: readonly Lane[];
  private readonly restored = new Lane();
  private readonly logs: Log[] = [];
  private readonly aborted = new Set<number>();
  private takenId = 0;
  private size = 0;
  private mayBeReady = false;
  /** Lane that has the next turn: one that is refilled while it is drained must not starve the others. */
  private turn = 0;

  constructor(private readonly options: InboxOptions) {
    this.lanes = Array.from({ length: options.senderCount }, () => new Lane());
  }

  /** Messages that wait. */
  get messageCount(): number {
    return this.size;
  }

  /** Whether `process` has something to do. */
  get isReady(): boolean {
    return this.mayBeReady;
  }

  /** What a checkpoint has left to be delivered first. */
  restore(checkpointId: number, messages: readonly Message[]): void {
    this.takenId = checkpointId;
    for (const message of messages) this.restored.push(message);
    this.size += messages.length;
    this.options.group.begin(messages.length);
    this.mayBeReady = messages.length > 0;
  }

  /** @throws {StreamError} If too many messages wait already. @param senderName For the error. */
  deliver(sender: number, message: Message, senderName: string): void {
    const { actorName, limit, group } = this.options;
    if (this.size >= limit) {
      throw new StreamError(
        "unavailable",
        `Cannot tell "${actorName}" anything more from "${senderName}": ${this.size} messages wait for one of its ` +
          "subtasks; tell it less than it can process, or raise pipeline.max-messages-in-flight",
      );
    }
    this.size++;
    group.begin(1);
    this.lanes[sender]!.push(message);
    for (const { open, items } of this.logs) if (open.has(sender)) items.push(...itemsOf([message]));
    this.wake();
  }

  /** A sender has passed a barrier: what it tells from here on belongs to the next epoch. */
  mark(sender: number, checkpointId: number): void {
    this.lanes[sender]!.push(checkpointId);
    const log = this.logs.find((one) => one.checkpointId === checkpointId);
    if (log !== undefined && log.open.delete(sender) && log.open.size === 0) this.close(log);
    this.wake();
  }

  /**
   * The actor takes its part of a checkpoint, now: what waits belongs to it, and what senders tell before they pass the
   * barrier.
   *
   * @returns Resolves when every sender has passed the barrier; null when no message was in flight.
   */
  take(checkpointId: number): Promise<OperatorList | null> {
    this.takenId = checkpointId;
    for (const id of this.aborted) if (id <= checkpointId) this.aborted.delete(id);
    const messages = this.restored.before(checkpointId).messages;
    const open = new Set<number>();
    this.lanes.forEach((lane, sender) => {
      const waiting = lane.before(checkpointId);
      messages.push(...waiting.messages);
      if (!waiting.isComplete) open.add(sender);
    });
    const items = [...itemsOf(messages)];
    this.wake();
    const list = () => (items.length === 0 ? null : toldList(items));
    if (open.size === 0) return Promise.resolve(list());
    return new Promise((resolve) => {
      this.logs.push({ checkpointId, items, open, finish: () => resolve(list()) });
    });
  }

  /** The checkpoint will never complete: nobody waits for it, and nothing is held for it. */
  abort(checkpointId: number): void {
    if (checkpointId > this.takenId) this.aborted.add(checkpointId);
    const log = this.logs.find((one) => one.checkpointId === checkpointId);
    if (log !== undefined) this.close(log);
    this.wake();
  }

  /** Ends every wait. */
  discard(): void {
    for (const log of [...this.logs]) this.close(log);
  }

  private close(log: Log): void {
    this.logs.splice(this.logs.indexOf(log), 1);
    log.finish();
  }

  private wake(): void {
    this.mayBeReady = true;
    this.onMessage();
  }

  /**
   * Delivers what waits now, not what that causes, so that other input gets its turn.
   *
   * @param shouldPause Asked after each message.
   */
  process(deliver: (message: Message) => void, shouldPause: () => boolean): void {
    this.mayBeReady = false;
    const isDone = this.drain(this.restored, deliver, shouldPause) && this.drainLanes(deliver, shouldPause);
    if (!isDone) this.mayBeReady = true;
  }

  /** Each lane once; false when it was told to pause. */
  private drainLanes(deliver: (message: Message) => void, shouldPause: () => boolean): boolean {
    const { lanes } = this;
    for (let left = lanes.length; left > 0; left--) {
      const lane = lanes[this.turn]!;
      this.turn = (this.turn + 1) % lanes.length;
      if (!this.drain(lane, deliver, shouldPause)) return false;
    }
    return true;
  }

  /** False when it was told to pause. */
  private drain(lane: Lane, deliver: (message: Message) => void, shouldPause: () => boolean): boolean {
    for (let left = lane.length; left > 0; left--) {
      const head = lane.head!;
      if (typeof head === "number") {
        if (head > this.takenId && !this.aborted.has(head)) return true;
        lane.shift();
        continue;
      }
      lane.shift();
      this.size--;
      deliver(head);
      this.options.group.end();
      if (shouldPause()) return false;
    }
    return true;
  }
}
