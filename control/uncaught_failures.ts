/**
 * Says in a few lines why a pipeline script ends, where the runtime would print each error of the chain with its whole
 * stack. An error that the script catches is its own affair.
 *
 * Called by: the stream environment.
 * Calls: control/failure_text.ts, control/process_surroundings.ts.
 *
 * Invariants:
 * - errors that have nothing to do with Weir are left to the runtime.
 *
 * @module
 */
import { inspect } from "node:util";
import { StreamError } from "../core/errors.ts";
import { OperatorError } from "../runtime/operator_error.ts";
import { failureText } from "./failure_text.ts";
import { exitProcess, onUncaught, processScreen } from "./process_surroundings.ts";
import { EXIT_FAILED, EXIT_USAGE } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** Errors that `execute` has thrown. */
const jobFailures = new WeakSet<object>();
let isListening = false;
let showStack = false;
let hasStarted = false;

/**
 * From now on an uncaught failure of a pipeline ends the process with a short text and its exit code.
 *
 * @param wholeStack Whether the text is everything that there is to know.
 */
export function tellUncaughtFailures(wholeStack: boolean): void {
  showStack ||= wholeStack;
  if (isListening) return;
  isListening = true;
  onUncaught((error) => {
    const code = exitCodeOf(error);
    if (code === null) return false;
    processScreen().write(textOf(error) + "\n");
    return exitProcess(code);
  });
}

/** Remembers that a job has failed with this. */
export function markJobFailure(error: unknown): void {
  if (typeof error === "object" && error !== null) jobFailures.add(error);
}

/** From here on what the engine refuses is a failure of the job, not of the way in which it was put together. */
export function markJobStarted(): void {
  hasStarted = true;
}

/** Null: not ours. */
function exitCodeOf(error: unknown): number | null {
  if (error instanceof UsageError) return EXIT_USAGE;
  if (typeof error === "object" && error !== null && jobFailures.has(error)) return EXIT_FAILED;
  // What is thrown while the script writes its pipeline: a name that is taken, for example.
  if (!(error instanceof StreamError) || error.kind !== "invalid" || error instanceof OperatorError) return null;
  return hasStarted ? EXIT_FAILED : EXIT_USAGE;
}

function textOf(error: unknown): string {
  if (showStack) return inspect(error);
  if (error instanceof UsageError) return error.message;
  return `${failureText(error)}\nRun with --stack to see the whole stack`;
}
