/**
 * Reads the records of one file, from any position on.
 *
 * Called by: connectors/file_source.ts.
 * Calls: byte_stream.ts, record_scanner.ts, record_format.ts.
 *
 * Invariants:
 * - a chunk is loaded ahead while the records of the one before are emitted;
 * - `position()` is behind the last record that was emitted, skipped or put aside.
 *
 * @module
 */
import { NO_TIMESTAMP } from "../core/element.ts";
import { messageOf, StreamError } from "../core/errors.ts";
import { crc32 } from "../core/bytes.ts";
import type { FileStatus, FileSystem } from "../core/file_system.ts";
import type { Counter } from "../core/metrics.ts";
import type { SourceOutput } from "../core/source.ts";
import { type ByteStream, isPacked, openByteStream } from "./byte_stream.ts";
import { explained } from "./file_failure.ts";
import type { RateLimiter } from "./rate_limiter.ts";
import {
  handleMistake,
  type MalformedPolicy,
  MalformedRecordError,
  NO_RECORD,
  type RecordDecoder,
  type RecordFormat,
} from "./record_format.ts";
import { InvalidTextError, RecordScanner, type Trace } from "./record_scanner.ts";

/** How far a file has been read; what a checkpoint holds. */
export interface FilePosition {
  /** Bytes of the unpacked content behind the last record. */
  readonly offset: number;
  /** Lines up to there. */
  readonly line: number;
  /** Records up to there that could not be read and were skipped. */
  readonly malformed: number;
  /** Of the bytes before `offset`: another file of that name is noticed. Absent in checkpoints of before there were any. */
  readonly trace?: Trace;
  /** Whether it was read to its end, so that it need not be opened again. */
  readonly ended: boolean;
  /** Columns, of formats that have a header. */
  readonly header: readonly string[] | null;
  /** Files of the whole source, over all subtasks: among them a rate limit is divided. */
  readonly fileCount: number;
}

/** What reading files needs to know. */
export interface FileReading<T> {
  /** Where the files are. */
  readonly fileSystem: FileSystem;
  /** How text becomes records. */
  readonly format: RecordFormat<T>;
  /** What to do with text that is no record. */
  readonly onMalformed: MalformedPolicy;
  /** Null: as fast as it goes. */
  readonly limiter: RateLimiter | null;
  /** Whether files grow, so that an end is no end. */
  readonly follow: boolean;
  /** Counts what could not be read and was skipped or put aside. */
  readonly malformed: Counter;
  /** Files of the whole source, over all subtasks. */
  readonly fileCount: number;
}

/**
 * Where one call of `FileSplit.emit` has come to: `full`: the output takes no more now; `limited`: the rate limit holds
 * it back; `loading`: bytes are on their way; `caught-up`: a followed file has no more for now; `ended`.
 */
export type SplitProgress = "full" | "limited" | "loading" | "caught-up" | "ended";

/** One file that is being read. */
export class FileSplit<T> {
  /** Of the file; names the split. */
  readonly path: string;
  readonly #reading: FileReading<T>;
  readonly #scanner: RecordScanner;
  readonly #decoder: RecordDecoder<T>;
  /** Of what was read before the file is opened here. */
  readonly #restoredTrace: Trace | null;
  #stream: ByteStream | null = null;
  /** Last change of the file when a look found it unchanged, milliseconds since the epoch. */
  #modifiedMs = Number.NaN;
  #loading: Promise<void> | null = null;
  /** The chunk that was loaded ahead; null at the end of the file, undefined when there is none. */
  #chunk: Uint8Array | null | undefined = undefined;
  #failure: { readonly error: unknown } | null = null;
  #malformed: number;
  #ended: boolean;
  #closed = false;
  /** Size of the file when it was looked up last. */
  sizeBytes: number;

  /**
   * Reads nothing yet.
   *
   * @param position Null: from the start of the file.
   */
  constructor(path: string, position: FilePosition | null, sizeBytes: number, reading: FileReading<T>) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#reading = reading;
    this.#scanner = new RecordScanner(reading.format.framing, position?.offset ?? 0, position?.line ?? 0);
    this.#decoder = reading.format.decoder(position?.header ?? null);
    this.#restoredTrace = position?.trace ?? null;
    this.#malformed = position?.malformed ?? 0;
    this.#ended = position?.ended ?? false;
  }

  /** Whether it was read to its end. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Records so far that could not be read. */
  get malformedCount(): number {
    return this.#malformed;
  }

  /** Bytes of the file that are done, for a progress display. */
  get doneBytes(): number {
    if (this.#ended) return this.sizeBytes;
    return isPacked(this.path) ? this.#stream?.fileBytesRead ?? 0 : this.#scanner.offset;
  }

  /** How far it has been read. */
  position(): FilePosition {
    return {
      offset: this.#scanner.offset,
      line: this.#scanner.line,
      // A file that is not opened here is as it was.
      trace: this.#stream === null && this.#restoredTrace !== null ? this.#restoredTrace : this.#scanner.trace,
      malformed: this.#malformed,
      ended: this.#ended,
      header: this.#decoder.header,
      fileCount: this.#reading.fileCount,
    };
  }

  /** Resolves when the bytes that are on their way have come. */
  get loaded(): Promise<void> {
    return this.#loading ?? Promise.resolve();
  }

  /** Starts to load, so that the first `emit` need not wait. */
  prefetch(): void {
    if (this.#loading !== null || this.#chunk !== undefined || this.#ended || this.#closed) return;
    this.#loading = this.#load();
  }

  /** Emits records until something holds it back. */
  emit(output: SourceOutput<T>): SplitProgress {
    if (this.#ended) return "ended";
    const { limiter } = this.#reading;
    for (;;) {
      if (limiter !== null && !limiter.ready()) return "limited";
      while (this.#scanner.next()) {
        if (!this.#emitOne(output)) return "full";
        if (limiter !== null && !limiter.ready()) return "limited";
      }
      if (this.#failure !== null) throw this.#failure.error;
      if (this.#chunk === undefined) {
        this.prefetch();
        return "loading";
      }
      if (this.#chunk === null) return this.#atEnd(output);
      this.#push(this.#chunk);
      this.#chunk = undefined;
      this.prefetch();
    }
  }

  /** Looks whether a followed file has grown since it was read to its end; never rejects. */
  async refresh(): Promise<void> {
    if (this.#chunk !== null) return;
    try {
      const status = await explained("look up", this.path, this.#reading.fileSystem.status(this.path));
      if (this.#hasGrown(status)) {
        this.#chunk = undefined;
        this.prefetch();
        await this.#loading;
      } else if (this.#stream !== null && status?.modifiedMs !== this.#modifiedMs) {
        await this.#checkUnchanged(this.#stream, this.#readBytes, this.#scanner.pushedTrace);
        this.#modifiedMs = status?.modifiedMs ?? Number.NaN;
      }
    } catch (error) {
      this.#failure = { error };
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    // A file must not be closed under a read that is under way.
    await this.#loading;
    this.#stream?.close();
    this.#stream = null;
  }

  /** Bytes of the content that have come, whether they are part of a record or not. */
  get #readBytes(): number {
    return this.#scanner.offset + this.#scanner.restBytes;
  }

  /** That the file holds before `end` what was read there. */
  async #checkUnchanged({ file }: ByteStream, end: number, trace: Trace): Promise<void> {
    const bytes = new Uint8Array(trace.length);
    const count = await explained("read", this.path, file.read(bytes, end - trace.length));
    if (count === trace.length && crc32(bytes) === trace.crc) return;
    throw cannotFollow(this.path, `it was written anew, what it held before byte ${end} has changed`);
  }

  #hasGrown(status: FileStatus | null): boolean {
    const readBytes = this.#readBytes;
    const opened = this.#stream?.file.identity ?? null;
    if (status !== null && status.identity !== null && opened !== null && status.identity !== opened) {
      throw cannotFollow(this.path, "another file has taken its place");
    }
    if (status === null || status.sizeBytes < readBytes) {
      const found = status === null ? "it is gone" : `it has shrunk to ${status.sizeBytes} bytes`;
      throw cannotFollow(this.path, `${found}, ${readBytes} were read before`);
    }
    this.sizeBytes = status.sizeBytes;
    return status.sizeBytes > readBytes;
  }

  /** Hands one record on; false when the output takes no more now. */
  #emitOne(output: SourceOutput<T>): boolean {
    let value: T | typeof NO_RECORD;
    try {
      value = this.#decoder.decode(this.#scanner.text());
    } catch (error) {
      return this.#reject(error, output);
    }
    if (value === NO_RECORD) return true;
    this.#reading.limiter?.spend();
    return output.collect(value, NO_TIMESTAMP);
  }

  /** Does with what is no record what was asked for; false when the output takes no more now. */
  #reject(error: unknown, output: SourceOutput<T>): boolean {
    if (!(error instanceof InvalidTextError || error instanceof MalformedRecordError)) throw error;
    const text = error instanceof InvalidTextError ? error.text : this.#scanner.text();
    const line = this.#scanner.line - text.split("\n").length + 1;
    const { message: reason, at } = error;
    const fatal = error instanceof MalformedRecordError && error.fatal;
    const cause = error.cause ?? error;
    const mistake = { path: this.path, line, text, at, reason, fatal, cause };
    const hasRoom = handleMistake(this.#reading.onMalformed, mistake, output);
    this.#malformed++;
    this.#reading.malformed.inc();
    return hasRoom;
  }

  #atEnd(output: SourceOutput<T>): SplitProgress {
    if (this.#reading.follow) return "caught-up";
    const full = this.#scanner.last() && !this.#emitOne(output);
    this.#ended = true;
    this.#stream?.close();
    this.#stream = null;
    return full ? "full" : "ended";
  }

  #push(chunk: Uint8Array): void {
    try {
      this.#scanner.push(chunk);
    } catch (error) {
      const reason = messageOf(error);
      throw new StreamError(
        "invalid",
        `Cannot read "${this.path}" line ${this.#scanner.line + 1}, column 1: ${reason}; correct the file`,
        { cause: error },
      );
    }
  }

  async #openStream(): Promise<ByteStream> {
    const { fileSystem } = this.#reading;
    const stream = await openByteStream(fileSystem, this.path, this.#scanner.offset, this.#restoredTrace);
    if (this.#restoredTrace !== null) this.#scanner.remember(stream.before);
    return stream;
  }

  /** Fetches one chunk; never rejects. */
  async #load(): Promise<void> {
    try {
      const stream = this.#stream ?? await this.#openStream();
      if (this.#closed) {
        stream.close();
        return;
      }
      this.#stream = stream;
      const [end, trace] = [this.#readBytes, this.#scanner.pushedTrace];
      const chunk = await stream.next();
      // Afterwards: the chunk itself must be of the file that was read before.
      if (this.#reading.follow) await this.#checkUnchanged(stream, end, trace);
      this.#chunk = chunk;
    } catch (error) {
      if (!this.#closed) this.#failure = { error };
    } finally {
      this.#loading = null;
    }
  }
}

function cannotFollow(path: string, found: string): StreamError {
  return new StreamError(
    "invalid",
    `Cannot follow "${path}": ${found}; followed files must only grow: put the old file back and go on with ` +
      "--from latest, or start without --from",
  );
}
