/**
 * Decides what an interrupt (Ctrl-C, SIGTERM) means: the first ends the job gracefully, the next at once.
 *
 * Called by: control/terminal.ts.
 * Calls: nothing.
 *
 * @module
 */

/** What to do: end gracefully, end without waiting, end the process, or nothing. */
export type InterruptDecision = "stop" | "cancel" | "exit" | "ignore";

/** `deno task` delivers each Ctrl-C twice, and impatient fingers do too: within this time they count once. */
export const SAME_INTERRUPT_MS = 500;

/** Counts interrupts. */
export class Interrupts {
  #counted = 0;
  #lastMs = -Infinity;

  /** What an interrupt means. @param atMs Its monotonic time, milliseconds. */
  decide(atMs: number): InterruptDecision {
    if (atMs - this.#lastMs <= SAME_INTERRUPT_MS) return "ignore";
    this.#lastMs = atMs;
    this.#counted++;
    return this.#counted === 1 ? "stop" : this.#counted === 2 ? "cancel" : "exit";
  }
}
