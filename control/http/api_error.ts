/**
 * The error that a request is answered with: a status and texts for the client, nothing else.
 *
 * Called by: routes throw it; control/http/api.ts turns it into `{"errors": […]}`.
 * Calls: nothing.
 *
 * @module
 */

/** Statuses of errors that clients may see. */
export type ErrorStatus = 308 | 400 | 401 | 403 | 404 | 405 | 409 | 413 | 414 | 415 | 431 | 500 | 503;

/** Ends a request with a status and messages. */
export class ApiError extends Error {
  /** Name of the class. */
  override readonly name = "ApiError";
  /** Status of the answer. */
  readonly status: ErrorStatus;
  /** Each a sentence for the client: no path, no stack that it did not send itself. */
  readonly messages: readonly string[];
  /** Headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  /** Takes one message, or several. */
  constructor(
    status: ErrorStatus,
    messages: string | readonly string[],
    headers: Readonly<Record<string, string>> = {},
  ) {
    const all = typeof messages === "string" ? [messages] : messages;
    super(all.join("\n"));
    this.status = status;
    this.messages = all;
    this.headers = headers;
  }
}
