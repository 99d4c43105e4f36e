/**
 * Sink that prints records for a person to read.
 *
 * Called by: pipelines.
 * Calls: core/ only; process.stdout unless it is told otherwise.
 *
 * @module
 */
import process from "node:process";
import { errorCode } from "../core/file_system.ts";
import type { Sink, SinkWriter } from "../core/sink.ts";

/** Text in memory from which on it is written, characters. */
const FLUSH_CHARACTERS = 16 * 1024;

/** How records are printed. */
export interface ConsoleSinkOptions<T> {
  /** Text of a record, without line end. Absent: strings as they are, anything else as JSON. */
  readonly format?: (value: T) => string;
  /** Takes text; a promise it returns holds records back until it resolves. Absent: standard output. */
  readonly write?: (text: string) => void | Promise<void>;
}

function printable(value: unknown): string {
  // Undefined for what JSON cannot say, such as undefined itself.
  return typeof value === "string" ? value : (JSON.stringify(value) as string | undefined) ?? String(value);
}

/** What a shell reports for a program that a closed pipe (SIGPIPE) has ended. */
const CLOSED_PIPE_EXIT_CODE = 141;
let listensForErrors = false;

/** A reader such as `head` has seen enough: the process ends without a word, as other tools do. */
function endAtClosedPipe(error: unknown): void {
  if (errorCode(error) === "EPIPE") process.exit(CLOSED_PIPE_EXIT_CODE);
}

/** Resolves when the text has gone out, so that a slow terminal or pipe slows the job down. */
function writeToStandardOutput(text: string): Promise<void> {
  if (!listensForErrors) {
    listensForErrors = true;
    // Without a listener an error of a write would also be thrown where nobody can catch it.
    process.stdout.on("error", endAtClosedPipe);
  }
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (error === null || error === undefined) return resolve();
      endAtClosedPipe(error);
      reject(error);
    });
  });
}

class ConsoleWriter<T> implements SinkWriter<T, never> {
  readonly #format: (value: T) => string;
  readonly #write: (text: string) => void | Promise<void>;
  #text = "";
  #writing: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(options: ConsoleSinkOptions<T>) {
    this.#format = options.format ?? printable;
    this.#write = options.write ?? writeToStandardOutput;
  }

  recover(): void {}

  write(value: T): void {
    if (this.#failure !== null) throw this.#failure.error;
    this.#text += `${this.#format(value)}\n`;
    if (this.#text.length >= FLUSH_CHARACTERS) this.#flush();
  }

  /** Also called when the subtask has nothing to do, so that lines do not wait for more to come. */
  backpressure(): Promise<void> | undefined {
    this.#flush();
    return this.#writing ?? undefined;
  }

  prepareCommit(): () => Promise<undefined> {
    this.#flush();
    return async () => {
      await this.#drain();
      return undefined;
    };
  }

  commit(): void {}

  async close(): Promise<void> {
    await this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#writing !== null || (this.#text !== "" && this.#failure === null)) {
      this.#flush();
      await this.#writing;
    }
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Hands the text on, one write at a time. */
  #flush(): void {
    if (this.#text === "" || this.#writing !== null || this.#failure !== null) return;
    const text = this.#text;
    this.#text = "";
    const written = this.#write(text);
    if (written === undefined) return;
    this.#writing = written.catch((error: unknown) => {
      this.#failure = { error };
    }).finally(() => {
      this.#writing = null;
    });
  }
}

/**
 * Prints each record on a line of standard output. At-least-once: after a failure lines may appear again.
 *
 * When standard output is a pipe that its reader closes (`… | head -1`), the process ends at once and quietly, with exit
 * code 141, as a program does that the signal SIGPIPE ends; a job with checkpoints can go on with `--from latest`.
 *
 * @example
 * ```ts
 * import { consoleSink } from "./console_sink.ts";
 *
 * const sink = consoleSink<{ word: string; count: number }>({ format: ({ word, count }) => `${word} ${count}` });
 * if (sink.guarantee !== "at-least-once") throw new Error("what is printed cannot be taken back");
 * ```
 */
export function consoleSink<T>(options: ConsoleSinkOptions<T> = {}): Sink<T, never> {
  return { guarantee: "at-least-once", open: () => new ConsoleWriter(options) };
}
