/**
 * Asks the HTTP API of a job, and says what went wrong in words that help.
 *
 * Called by: the commands of a job.
 * Calls: `fetch` and the clock, which come in as arguments.
 *
 * A request that was not answered is sent again only when it may be sent twice: reading, and starting an operation under
 * an id that the client has chosen, which the server starts once however often it is asked.
 *
 * @module
 */
import { messageOf, StreamError } from "../../core/errors.ts";
import type { CliSurroundings, CommandArguments } from "./command.ts";
import { parseDurationMs } from "../../core/config_units.ts";
import { UsageError } from "../usage_error.ts";
import { InterruptedError } from "./interrupted_error.ts";

/** Where a job listens unless told otherwise. */
export const DEFAULT_URL = "http://127.0.0.1:8081";
const URL_VARIABLE = "WEIR_REST_URL";
const TOKEN_VARIABLE = "WEIR_REST_AUTH_TOKEN";
/** Longest time that one answer may take. */
const ANSWER_MS = 30_000;
const FIRST_RETRY_MS = 100;

/** Answer of a server. */
export interface Answer {
  readonly status: number;
  /** What its JSON says; undefined for an empty body. */
  readonly body: unknown;
}

/** The server has answered, and says no. */
export class RefusedRequestError extends StreamError {
  override readonly name = "RefusedRequestError";

  constructor(readonly status: number, message: string) {
    super(status >= 500 ? "unavailable" : "invalid", message);
  }
}

/** No answer has come. */
export class NoAnswerError extends StreamError {
  override readonly name = "NoAnswerError";

  constructor(message: string, options: { readonly cause: unknown }) {
    super("unavailable", message, options);
  }
}

/** The time given by `--timeout` is over. */
export class NoTimeLeftError extends StreamError {
  override readonly name = "NoTimeLeftError";

  constructor() {
    super("unavailable", "Cannot wait any longer: the time given by --timeout is over");
  }
}

/** How a request is sent. */
export interface RequestOptions {
  /** JSON; none when absent. */
  readonly body?: unknown;
  /** How often it may be sent again when no answer came; 0 when absent. */
  readonly retries?: number;
}

/** Talks to one server. */
export class RestClient {
  readonly #deadlineMs: number;
  readonly #interrupted = new AbortController();

  private constructor(
    /** Without a slash at its end. */
    readonly url: string,
    private readonly token: string | null,
    timeoutMs: number,
    private readonly surroundings: Pick<CliSurroundings, "fetch" | "clock">,
  ) {
    this.#deadlineMs = surroundings.clock.monotonicMs() + timeoutMs;
  }

  /** A client as the flags and the environment say. @throws {UsageError} If they cannot be used. */
  static async of(args: CommandArguments, surroundings: CliSurroundings): Promise<RestClient> {
    const { environment } = surroundings;
    const url = urlOf(args.text("url") ?? (environment[URL_VARIABLE] || DEFAULT_URL));
    const token = await tokenOf(args, surroundings);
    const timeout = args.text("timeout");
    const timeoutMs = timeout === undefined ? Number.POSITIVE_INFINITY : parseDurationMs(timeout);
    if (timeoutMs === undefined || timeoutMs <= 0) {
      throw new UsageError(`Cannot use --timeout "${timeout}": it must be a duration above 0; write 30s or 5min`);
    }
    return new RestClient(url, token, timeoutMs, surroundings);
  }

  /** Ends all waiting: what is waited for rejects with an InterruptedError. */
  interrupt(): void {
    this.#interrupted.abort();
  }

  /** Reads. @throws {RefusedRequestError} @throws {NoAnswerError} */
  async get(path: string, options: Pick<RequestOptions, "retries"> = {}): Promise<unknown> {
    return await this.#send("GET", path, options);
  }

  /** As `get`; undefined when there is no such thing. */
  async find(path: string): Promise<unknown> {
    try {
      return await this.get(path);
    } catch (error) {
      if (error instanceof RefusedRequestError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Asks for something to be done; as `get`. */
  async post(path: string, options: RequestOptions): Promise<unknown> {
    return await this.#send("POST", path, options);
  }

  /** Asks for a change; as `get`. */
  async patch(path: string): Promise<unknown> {
    return await this.#send("PATCH", path, {});
  }

  /** Waits. @throws {InterruptedError} @throws {StreamError} When the longest time to wait is over. */
  async wait(ms: number): Promise<void> {
    const { clock } = this.surroundings;
    const left = this.#deadlineMs - clock.monotonicMs();
    if (left <= 0) throw new NoTimeLeftError();
    const { signal } = this.#interrupted;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancel = clock.schedule(Math.min(ms, left), done);
      signal.addEventListener("abort", done);
      if (signal.aborted) done();
    });
    if (signal.aborted) throw new InterruptedError("");
  }

  async #send(method: string, path: string, { body, retries = 0 }: RequestOptions): Promise<unknown> {
    for (let left = retries, pauseMs = FIRST_RETRY_MS;; left--, pauseMs = Math.min(2_000, pauseMs * 2)) {
      try {
        return await this.#sendOnce(method, path, body);
      } catch (error) {
        if (!(error instanceof NoAnswerError) || left <= 0) throw error;
      }
      await this.wait(pauseMs);
    }
  }

  async #sendOnce(method: string, path: string, body: unknown): Promise<unknown> {
    const { fetch, clock } = this.surroundings;
    const limit = new AbortController();
    const interrupt = () => limit.abort();
    this.#interrupted.signal.addEventListener("abort", interrupt);
    const leftMs = Math.max(0, Math.min(ANSWER_MS, this.#deadlineMs - clock.monotonicMs()));
    const cancel = clock.schedule(leftMs, interrupt);
    try {
      const response = await fetch(`${this.url}${path}`, {
        method,
        headers: {
          accept: "application/json",
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(this.token === null ? {} : { authorization: `Bearer ${this.token}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: limit.signal,
      });
      const text = await response.text();
      if (!response.ok) throw this.#refused(method, path, response.status, text);
      return text.trim() === "" ? undefined : parsed(text, `${this.url}${path}`);
    } catch (cause) {
      if (this.#interrupted.signal.aborted) throw new InterruptedError("");
      if (cause instanceof StreamError) throw cause;
      throw this.#noAnswer(cause, limit.signal.aborted ? leftMs : null);
    } finally {
      cancel();
      this.#interrupted.signal.removeEventListener("abort", interrupt);
    }
  }

  #refused(method: string, path: string, status: number, text: string): RefusedRequestError {
    const what = `${method} ${path}`;
    if (status === 401) {
      const remedy = this.token === null ? "give one with --token-file or WEIR_REST_AUTH_TOKEN" : "it may be wrong";
      const reason = errorsIn(text) ?? (this.token === null ? "there is no token" : "the token is refused");
      return new RefusedRequestError(status, `Cannot ask ${this.url}: ${reason} (${status}); ${remedy}`);
    }
    return new RefusedRequestError(status, `${errorsIn(text) ?? `Cannot ${what}: the answer is empty`} (${status})`);
  }

  #noAnswer(cause: unknown, waitedMs: number | null): StreamError {
    if (isDenied(cause)) {
      const { host } = new URL(this.url);
      return new UsageError(`Cannot ask ${this.url}: the permission is missing; run with --allow-net=${host}`, {
        cause,
      });
    }
    const reason = waitedMs === null ? reasonOf(cause) : `no answer within ${Math.round(waitedMs)} ms`;
    return new NoAnswerError(
      `Cannot ask ${this.url}: ${reason}; start the job with -Drest.port=8081, or say with --url where it listens`,
      { cause },
    );
  }
}

/** Runtimes word it in ways of their own, and long. */
function reasonOf(cause: unknown): string {
  const text = `${messageOf(cause)} ${
    cause instanceof Error && cause.cause !== undefined ? messageOf(cause.cause) : ""
  }`;
  return /refused|Unable to connect/i.test(text) ? "nothing listens there" : messageOf(cause);
}

/** Deno's refusal. */
function isDenied(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === "NotCapable" || isDenied(cause.cause));
}

function errorsIn(text: string): string | null {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== "object" || body === null || !("errors" in body) || !Array.isArray(body.errors)) return null;
    // A stack, should there be one, is the server's own.
    const lines = body.errors.map((error: unknown) => String(error).split("\n")[0]!).filter((line) => line !== "");
    return lines.length === 0 ? null : lines.join("\n");
  } catch {
    return null; // Not JSON: some other server.
  }
}

function parsed(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StreamError(
      "invalid",
      `Cannot read the answer of ${url}: it is not JSON; say with --url where the job listens`,
      { cause },
    );
  }
}

function urlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new UsageError(`Cannot use --url "${text}": it must be like ${DEFAULT_URL}`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

async function tokenOf(
  args: CommandArguments,
  { environment, fileSystem }: Pick<CliSurroundings, "environment" | "fileSystem">,
): Promise<string | null> {
  const file = args.text("token-file");
  const given = args.text("token");
  if (file !== undefined && given !== undefined) {
    throw new UsageError("Cannot use --token and --token-file together: one of them must be left out");
  }
  if (file === undefined) return given ?? (environment[TOKEN_VARIABLE] || null);
  let bytes: Uint8Array;
  try {
    bytes = await fileSystem.readFile(file);
  } catch (cause) {
    throw new UsageError(`Cannot use --token-file "${file}": ${messageOf(cause)}`, { cause });
  }
  const token = new TextDecoder().decode(bytes).trim();
  if (token === "") throw new UsageError(`Cannot use --token-file "${file}": the file is empty`);
  return token;
}
