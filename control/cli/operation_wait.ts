/**
 * Starts an operation of a server that takes time, and waits for its end: asks after 10 ms, then after twice as long
 * each time, up to 2 s.
 *
 * Called by: control/cli/job_operations.ts.
 * Calls: control/cli/rest_client.ts.
 *
 * @module
 */
import { messageOf, StreamError } from "../../core/errors.ts";
import type { CliSurroundings } from "./command.ts";
import { InterruptedError } from "./interrupted_error.ts";
import { type JsonObject, listIn, numberIn, objectIn, objectOf, textIn } from "./json_answer.ts";
import { NoAnswerError, NoTimeLeftError, type RestClient } from "./rest_client.ts";

const FIRST_POLL_MS = 10;
const LONGEST_POLL_MS = 2_000;
/** An answer that does not come is asked for again: the job goes on, and a restart of it keeps its server. */
const POLL_RETRIES = 4;
/** A request under an id of ours is started once however often it is sent. */
export const START_RETRIES = 3;
/** How often progress is asked for. */
const PROGRESS_MS = 200;
const START_OF_LINE = "\r\x1b[2K";

/** An operation that was started. */
export interface StartedOperation {
  /** What it does, for messages: `savepoint of "flight delays"`. */
  readonly what: string;
  /** Id of the request. */
  readonly requestId: string;
  /** Where its end is asked for. */
  readonly path: string;
  /** Where its progress is asked for; null when there is none. */
  readonly progressPath: string | null;
}

/**
 * Waits for the end of an operation and shows how far it is, on a terminal.
 *
 * @returns What it has come to: the `operation` of the answer.
 * @throws {StreamError} If it has failed, or its end cannot be learned.
 * @throws {InterruptedError} If somebody interrupts.
 */
export async function waitFor(
  operation: StartedOperation,
  client: RestClient,
  surroundings: Pick<CliSurroundings, "screen" | "clock" | "onInterrupt">,
): Promise<JsonObject> {
  const { screen } = surroundings;
  const goesOn = `the ${operation.what} goes on as request ${operation.requestId}`;
  const unlisten = surroundings.onInterrupt(() => client.interrupt());
  const progress = screen.isTerminal && operation.progressPath !== null
    ? new OperationProgress(operation, client, surroundings)
    : null;
  try {
    for (let pauseMs = FIRST_POLL_MS;; pauseMs = Math.min(LONGEST_POLL_MS, pauseMs * 2)) {
      const answer = await client.get(operation.path, { retries: POLL_RETRIES });
      if (textIn(objectIn(answer, "status"), "id") === "COMPLETED") return resultOf(operation, answer);
      await progress?.show();
      await client.wait(pauseMs);
    }
  } catch (error) {
    if (error instanceof InterruptedError) throw new InterruptedError(`Interrupted: ${goesOn}`);
    if (error instanceof NoTimeLeftError) {
      throw new StreamError("unavailable", `${error.message}; ${goesOn}`, { cause: error });
    }
    if (error instanceof NoAnswerError) {
      throw new StreamError(
        "unavailable",
        `Cannot learn how the ${operation.what} ended: ${messageOf(error)}`,
        { cause: error },
      );
    }
    throw error;
  } finally {
    progress?.end();
    unlisten();
  }
}

function resultOf({ what }: StartedOperation, answer: unknown): JsonObject {
  const operation = objectIn(answer, "operation");
  const failure = operation["failure-cause"] ?? operation["failureCause"];
  if (failure === undefined || failure === null) return operation;
  throw new StreamError("invalid", `The ${what} has failed: ${failureText(failure)}`);
}

/** The message of a failure; behind it comes the server's stack. */
function failureText(failure: unknown): string {
  const { "stack-trace": stack, class: name } = objectOf(failure);
  const text = typeof stack === "string" ? stack : typeof name === "string" ? name : JSON.stringify(failure);
  const lines = text.split("\n").filter((line) => !/^\s+at /.test(line) && line.trim() !== "");
  return lines.map((line) => line.replace(/^\w*Error: /, "")).join("\n") || "no reason is given";
}

/** Draws how many subtasks have acknowledged, over and over on one line. */
class OperationProgress {
  #startMs: number;
  #nextMs = 0;
  #isShown = false;

  constructor(
    private readonly operation: StartedOperation,
    private readonly client: RestClient,
    private readonly surroundings: Pick<CliSurroundings, "screen" | "clock">,
  ) {
    this.#startMs = surroundings.clock.monotonicMs();
  }

  async show(): Promise<void> {
    const nowMs = this.surroundings.clock.monotonicMs();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + PROGRESS_MS;
    let acknowledged = "";
    try {
      acknowledged = acknowledgedText(await this.client.get(this.operation.progressPath!));
    } catch (error) {
      // Only for show: the operation itself is asked about elsewhere.
      if (!(error instanceof StreamError)) throw error;
    }
    const seconds = ((nowMs - this.#startMs) / 1_000).toFixed(1);
    this.surroundings.screen.write(`${START_OF_LINE}${this.operation.what}: ${acknowledged}${seconds} s`);
    this.#isShown = true;
  }

  end(): void {
    if (this.#isShown) this.surroundings.screen.write(START_OF_LINE);
  }
}

/** What the newest savepoint under way has, of the statistics of checkpoints; the newest checkpoint if there is none. */
export function acknowledgedText(statistics: unknown): string {
  const pending = listIn(statistics, "history").filter((one) => textIn(one, "status") === "IN_PROGRESS");
  const shown = pending.find((one) => one["is_savepoint"] === true) ?? pending[0];
  const total = numberIn(shown, "num_subtasks");
  const acknowledged = numberIn(shown, "num_acknowledged_subtasks");
  return total === undefined || acknowledged === undefined ? "" : `${acknowledged} of ${total} subtasks, `;
}
