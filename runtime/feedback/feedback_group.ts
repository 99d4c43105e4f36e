/**
 * Actors that tell each other, directly or not: knows when no message is left among them, so that a bounded job ends
 * neither before the last message nor never.
 *
 * Called by: runtime/feedback/inbox.ts, the operators of the group.
 * Calls: nothing.
 *
 * The end comes in two steps. An actor passes the end of event time on when no message is in flight; it ends when all of
 * the group have passed it on and, again, no message is in flight: then nobody is left who could tell it anything.
 *
 * @module
 */

/** Counts of one group, over all of its subtasks. */
export class FeedbackGroup {
  private inFlight = 0;
  private passed = 0;
  private readonly waiting: (() => void)[] = [];

  /** @param memberCount Subtasks of the operators in the group. */
  constructor(private readonly memberCount: number) {}

  /** Whether no message is in flight. */
  get isQuiet(): boolean {
    return this.inFlight === 0;
  }

  /** Whether nobody is left who could tell anything. */
  get hasEnded(): boolean {
    return this.inFlight === 0 && this.passed === this.memberCount;
  }

  /** Messages are on their way. */
  begin(count: number): void {
    this.inFlight += count;
  }

  /** A message has been processed, with all that it has caused. */
  end(): void {
    if (--this.inFlight === 0 && this.waiting.length > 0) this.wake();
  }

  /** A member has passed the end of event time on; told once by each. */
  pass(): void {
    this.passed++;
    if (this.hasEnded) this.wake();
  }

  /** Calls back, once, when what the caller waits for may have come. */
  wait(callback: () => void): void {
    this.waiting.push(callback);
  }

  private wake(): void {
    for (const callback of this.waiting.splice(0)) callback();
  }
}
