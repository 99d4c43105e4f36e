/**
 * The subtask as an operator in a harness sees it: one step after the other, without mailbox, channels and pauses.
 *
 * Called by: runtime/testing/actor_harness.ts, the operator.
 * Calls: the operator.
 *
 * Invariants:
 * - an operator is never entered twice: work that comes up in a step is done behind it.
 *
 * @module
 */
import type { Operator, Resumable, TaskControl } from "../operator.ts";

/** An operator, as far as a harness drives its steps. */
export type Steppable = Pick<Operator<never, unknown>, "beginSlice" | "endSlice" | "flush">;

/** Runs the steps of one operator. */
export class HarnessTask implements TaskControl {
  readonly #work: (() => void)[] = [];
  #isInStep = false;
  /** What failed outside of any step; thrown by the next one. */
  #failure: { readonly cause: unknown } | null = null;

  /** @param operator Asked for when there is one. */
  constructor(private readonly operator: () => Steppable) {}

  /** Does a step, and all work that it leaves. @throws What the user's code throws. */
  step(act: () => void): void {
    this.#throwFailure();
    const operator = this.operator();
    operator.beginSlice();
    this.#isInStep = true;
    try {
      for (let next: (() => void) | undefined = act; next !== undefined; next = this.#work.shift()) {
        next();
        operator.flush();
      }
    } finally {
      this.#isInStep = false;
      this.#work.length = 0;
      operator.endSlice();
    }
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure.cause;
  }

  shouldPause(): boolean {
    return false;
  }

  post(mail: () => void): void {
    this.postWork(mail);
  }

  postWork(work: () => void): void {
    if (this.#isInStep) this.#work.push(work);
    else this.step(work);
  }

  resumeLater(work: Resumable): void {
    this.postWork(() => {
      while (!work.resume());
    });
  }

  fail(error: unknown): void {
    this.#failure ??= { cause: error };
  }

  wake(): void {}

  interrupt(): void {}
}
