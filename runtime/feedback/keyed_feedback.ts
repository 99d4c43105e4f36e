/**
 * What a keyed operator does with the messages that it is told, and at the end of its input.
 *
 * Called by: runtime/operators/keyed_operator.ts.
 * Calls: the inbox and outbox of its subtask.
 *
 * @module
 */
import { listState } from "../../core/descriptors.ts";
import type { Key } from "../../core/key.ts";
import type { OperatorList } from "../../core/snapshot.ts";
import type { ListState, Namespaced } from "../../core/state.ts";
import type { TimerService } from "../../timers/timer_service.ts";
import type { ActorScope } from "../actor.ts";
import type { OperatorContext } from "../operator.ts";
import type { Feedback } from "./feedback_network.ts";
import { type Message, messagesOf, TOLD } from "./message.ts";

/** Namespace of the timers of delayed messages, and name of their state. */
export const TOLD_LATER = "weir.told-later";

/** A delayed message in state. */
type Delayed = readonly [value: unknown, timestampMs: number];

/** What the operator does. */
export interface FeedbackOwner {
  /** Processes a message as the actor with that key. */
  onTold(key: Key, value: unknown, timestampMs: number): void;
  /** Passes its watermark on. */
  passWatermark(): void;
}

/** Messages of one subtask. */
export class KeyedFeedback {
  #later: ListState<Delayed> & Namespaced | null = null;
  #scope: ActorScope | null = null;
  #timers: TimerService | null = null;
  #hasPassedEnd = false;

  constructor(
    private readonly feedback: Feedback,
    private readonly context: OperatorContext,
    private readonly owner: FeedbackOwner,
  ) {
    const { inbox } = feedback;
    if (inbox === null) return;
    inbox.onMessage = () => context.task.interrupt();
    context.metrics.gauge("numMessagesInFlight", () => inbox.messageCount);
  }

  /** Takes back what was in flight; declares the state of what is to be delivered later. */
  open(scope: ActorScope, timers: TimerService): void {
    const { restore, keyGroups, maxParallelism } = this.context;
    const { inbox } = this.feedback;
    if (inbox === null) return;
    this.#scope = scope;
    this.#timers = timers;
    // A backend's handles can be told their namespace.
    this.#later = scope.backend.state(listState<Delayed>(TOLD_LATER)) as ListState<Delayed> & Namespaced;
    inbox.restore(restore?.checkpointId ?? 0, messagesOf(restore?.lists[TOLD], keyGroups, maxParallelism));
  }

  /** Whether messages wait that can be processed. */
  get isReady(): boolean {
    return this.feedback.inbox?.isReady ?? false;
  }

  /** Processes what waits now. */
  process(): void {
    this.feedback.inbox!.process(this.#take, this.#shouldPause);
  }

  readonly #shouldPause = (): boolean => this.context.task.shouldPause();

  readonly #take = ({ key, value, timestampMs, dueMs }: Message): void => {
    if (dueMs === null) return this.owner.onTold(key, value, timestampMs);
    this.#scope!.backend.setCurrentKey(key);
    this.#later!.setNamespace(dueMs);
    this.#later!.add([value, timestampMs]);
    this.#timers!.registerProcessingTime(dueMs, TOLD_LATER);
  };

  /** Whether a processing-time timer is that of delayed messages; delivers them. @param key The current one. */
  fire(timestampMs: number, namespace: unknown, key: Key): boolean {
    if (namespace !== TOLD_LATER || this.#later === null) return false;
    this.#later.setNamespace(timestampMs);
    const due = this.#later.get();
    this.#later.clear();
    for (const [value, atMs] of due) this.owner.onTold(key, value, atMs);
    return true;
  }

  /** A message or a timer is in hand, or not any more. */
  setOpen(isOpen: boolean): void {
    if (this.feedback.outbox !== null) this.feedback.outbox.isOpen = isOpen;
  }

  /** The operator takes its part of a checkpoint; its state is fixed already. Resolves to what is in flight to it. */
  snapshot(checkpointId: number): Promise<OperatorList | null> {
    const told = this.feedback.inbox?.take(checkpointId) ?? Promise.resolve(null);
    this.feedback.outbox?.passBarrier(checkpointId);
    return told;
  }

  /** The checkpoint will never complete. */
  abort(checkpointId: number): void {
    this.feedback.inbox?.abort(checkpointId);
  }

  /** The end of event time has come: it is passed on when no message is in flight, now or later. */
  reachEnd(): void {
    const { group } = this.feedback;
    if (!group.isQuiet) return group.wait(() => this.context.task.postWork(() => this.reachEnd()));
    this.owner.passWatermark();
    if (this.#hasPassedEnd) return;
    this.#hasPassedEnd = true;
    if (!group.hasEnded) group.wait(() => this.#wakeAtEnd());
    group.pass();
  }

  /** Until the last one has passed the end, and whenever a message comes after all, it is asked again. */
  #wakeAtEnd(): void {
    if (!this.feedback.group.hasEnded) this.feedback.group.wait(() => this.#wakeAtEnd());
    this.context.task.postWork(() => {});
  }

  /** Whether somebody may tell something still. */
  get isWaiting(): boolean {
    return !this.feedback.group.hasEnded;
  }

  /** Ends every wait of a snapshot. */
  close(): void {
    this.feedback.inbox?.discard();
  }
}
