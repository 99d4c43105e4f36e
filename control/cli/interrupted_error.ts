/**
 * The error of a command that somebody has interrupted while it waited.
 *
 * Called by: control/cli/.
 * Calls: nothing.
 *
 * @module
 */

/** Ends the program with exit code 130. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";

  /** @param message What goes on without the program; empty: nothing is to be said. */
  constructor(message: string) {
    super(message);
  }
}
