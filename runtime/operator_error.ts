/**
 * Says which operator failed, at which record, and keeps the cause.
 *
 * Called by: runtime/operators/, runtime/subtask.ts.
 * Calls: core/errors.ts.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";

/** A failure in a user's function or in an operator. Its kind is its cause's. */
export class OperatorError extends StreamError {
  override readonly name: string = "OperatorError";
  /** Name that the pipeline gives the operator. */
  readonly operatorName: string;

  private constructor(operatorName: string, kind: StreamError["kind"], message: string, cause: unknown) {
    super(kind, message, { cause });
    this.operatorName = operatorName;
  }

  /**
   * Wraps a cause, once: an error that names its operator already is returned as it is.
   *
   * @param recordNumber 1-based number of the record within the subtask since the attempt began; 0 = outside any record.
   */
  static of(
    operatorName: string,
    subtaskIndex: number,
    cause: unknown,
    recordNumber = 0,
    value?: unknown,
  ): OperatorError {
    if (cause instanceof OperatorError) return cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const at = recordNumber > 0
      ? ` at record ${recordNumber} of subtask ${subtaskIndex}: ${excerpt(value)}`
      : ` in subtask ${subtaskIndex}`;
    const kind = cause instanceof StreamError ? cause.kind : "unavailable";
    return new OperatorError(operatorName, kind, `Operator "${operatorName}" failed${at}: ${reason}`, cause);
  }
}

/** The error for a function on the record path that returned a promise; the promise's own failure is not lost. */
export function refusePromise(operatorName: string, what: string, result: Promise<unknown>): StreamError {
  result.catch(() => {}); // Its failure is a consequence of the misuse that is reported here.
  return new StreamError(
    "invalid",
    `Cannot wait in "${operatorName}": ${what} returned a promise, the record path is synchronous; ` +
      `do what is asynchronous in a source or a sink, or return the value itself`,
  );
}

function excerpt(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_key, part) => typeof part === "bigint" ? `${part}n` : part);
  } catch {
    text = undefined; // Cyclic values have no JSON; their type is all that can be shown.
  }
  text ??= typeof value;
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
