/**
 * The error of a command line, environment or configuration file that asks for something that does not exist.
 *
 * Called by: control/ throws it; whoever ends the process shows its message without a stack, with exit code 2.
 * Calls: core/errors.ts.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";

/** The person who started the program has to change how: exit code 2, the message alone. */
export class UsageError extends StreamError {
  /** Name of the class, as printed before the message. */
  override readonly name = "UsageError";

  /**
   * Keeps what led here.
   *
   * @param message What is wrong and what to write instead; a line for each problem.
   */
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super("invalid", message, options);
  }
}

/** Runs `read` and turns what is wrong with its input into a {@link UsageError}. */
export function asUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw usageErrorOf(error);
  }
}

/** As {@link asUsage}, for what takes time. */
export async function asUsageLater<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw usageErrorOf(error);
  }
}

function usageErrorOf(error: unknown): unknown {
  const isWrongInput = error instanceof RangeError || (error instanceof StreamError && error.kind === "invalid");
  return isWrongInput && !(error instanceof UsageError) ? new UsageError(error.message, { cause: error }) : error;
}
