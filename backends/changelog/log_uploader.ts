/**
 * Writes segments to files, and tries again when that fails or takes too long.
 *
 * Called by: change_log.ts, attached_log.ts, changelog_backend.ts.
 * Calls: the snapshot store, core/clock.ts.
 *
 * Source: Flink's `RetryingExecutor`: an attempt that takes too long is not stopped, another is made beside it, and the
 * first to succeed counts.
 *
 * Invariants:
 * - of all attempts at one segment, the file of one is kept;
 * - bytes that wait to be written, and those that could not be, count as in flight.
 *
 * @module
 */
import type { Cancel, Clock } from "../../core/clock.ts";
import { StreamError } from "../../core/errors.ts";
import type { FileRef, SnapshotFile, SnapshotStore } from "../../core/snapshot.ts";
import type { ChangelogMetrics } from "./changelog_metrics.ts";

/** How often, and after which times. */
export interface UploadSettings {
  /** Attempts at one segment, ≥ 1. */
  readonly maxAttempts: number;
  /** Milliseconds after which another attempt is made beside one that has not ended. */
  readonly timeoutMs: number;
  /** Milliseconds from a failed attempt to the next. */
  readonly retryDelayMs: number;
  /** Bytes in flight above which records wait. */
  readonly maxInFlightBytes: number;
}

/** Writes the segments of one backend. */
export class LogUploader {
  private inFlightBytes = 0;
  private room: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  private readonly uploads = new Set<Upload>();
  private readonly waiting = new Set<Cancel>();
  private readonly removals = new Set<Promise<void>>();
  private closed = false;

  constructor(
    private readonly store: SnapshotStore,
    private readonly clock: Clock,
    private readonly settings: UploadSettings,
    private readonly metrics: ChangelogMetrics,
  ) {}

  /** Counts bytes that are to be written. */
  take(sizeBytes: number): void {
    this.inFlightBytes += sizeBytes;
  }

  /** They are written, or needed no more. */
  give(sizeBytes: number): void {
    this.inFlightBytes -= sizeBytes;
    if (this.room === undefined || this.isFull) return;
    const { resolve } = this.room;
    this.room = undefined;
    resolve();
  }

  /** Whether records must wait. */
  get isFull(): boolean {
    return this.inFlightBytes > this.settings.maxInFlightBytes && !this.closed;
  }

  /** Segments that are being written. */
  get queueSize(): number {
    return this.uploads.size;
  }

  /** Not undefined while records must wait: resolves when there is room. */
  backpressure(): Promise<void> | undefined {
    if (!this.isFull) return undefined;
    this.room ??= Promise.withResolvers<void>();
    return this.room.promise;
  }

  /** Writes a segment. @throws {StreamError} With the last failure as its cause, if all attempts fail. */
  async upload(bytes: Uint8Array): Promise<FileRef> {
    if (this.closed) throw closedError();
    const upload = new Upload(bytes, this.store, this.clock, this.settings, this.metrics);
    this.uploads.add(upload);
    try {
      return await upload.file;
    } finally {
      this.uploads.delete(upload);
    }
  }

  /** Calls back when a failed upload may be tried again; never once it is closed. */
  later(callback: () => void): void {
    if (this.closed) return;
    const cancel = this.clock.schedule(Math.max(1, this.settings.retryDelayMs), () => {
      this.waiting.delete(cancel);
      callback();
    });
    this.waiting.add(cancel);
  }

  /** Removes a file that no checkpoint will refer to. What cannot be removed is swept by a recovery. */
  async remove(file: FileRef): Promise<void> {
    if (file.scope === "inline" || this.store.discard === undefined) return;
    const removal = this.store.discard(file).catch(() => this.metrics.leftBehind.inc());
    this.removals.add(removal);
    await removal;
    this.removals.delete(removal);
  }

  /** Resolves when nothing is being removed any more. */
  async settled(): Promise<void> {
    await Promise.all(this.removals);
  }

  /** Ends all waiting. */
  close(): void {
    this.closed = true;
    for (const upload of this.uploads) upload.stop(closedError());
    for (const cancel of this.waiting) cancel();
    this.room?.resolve();
    this.room = undefined;
  }
}

function closedError(): StreamError {
  return new StreamError("unavailable", "Cannot write the changelog: the backend was closed");
}

/** All attempts at one segment. */
class Upload {
  /** The file that counts. */
  readonly file: Promise<FileRef>;
  private readonly outcome = Promise.withResolvers<FileRef>();
  private readonly startedMs: number;
  private attempts = 0;
  private running = 0;
  private isOver = false;
  private cancelNext: Cancel = () => {};

  constructor(
    private readonly bytes: Uint8Array,
    private readonly store: SnapshotStore,
    private readonly clock: Clock,
    private readonly settings: UploadSettings,
    private readonly metrics: ChangelogMetrics,
  ) {
    this.file = this.outcome.promise;
    this.startedMs = clock.monotonicMs();
    metrics.uploads.inc();
    this.begin();
  }

  private begin(): void {
    const { clock, settings } = this;
    this.attempts++;
    this.running++;
    // The last attempt has all the time that the checkpoint has.
    if (this.attempts < settings.maxAttempts) this.cancelNext = clock.schedule(settings.timeoutMs, () => this.begin());
    const number = this.attempts;
    this.attempt().then((file) => this.succeeded(file, number), (error) => this.failed(error, number));
  }

  private async attempt(): Promise<FileRef> {
    const file = await this.store.create("shared");
    try {
      await file.write(this.bytes);
      return await file.finish();
    } catch (error) {
      await discardAfter(error, file);
      throw error;
    }
  }

  private succeeded(file: FileRef, number: number): void {
    this.running--;
    if (this.isOver) {
      this.store.discard?.(file).catch(() => this.metrics.leftBehind.inc());
      return;
    }
    this.end();
    const { metrics } = this;
    metrics.attemptsPerUpload.update(number);
    metrics.totalAttemptsPerUpload.update(this.attempts);
    metrics.uploadBatchSizes.update(1);
    metrics.uploadSizes.update(this.bytes.length);
    metrics.uploadLatenciesNanos.update(Math.round((this.clock.monotonicMs() - this.startedMs) * 1e6));
    this.outcome.resolve(file);
  }

  private failed(error: unknown, number: number): void {
    this.running--;
    if (this.isOver) return;
    this.metrics.uploadFailures.inc();
    if (number === this.attempts && number < this.settings.maxAttempts) {
      this.cancelNext();
      this.cancelNext = this.clock.schedule(this.settings.retryDelayMs, () => this.begin());
    } else if (this.running === 0 && this.attempts === this.settings.maxAttempts) {
      this.stop(error);
    }
  }

  /** Ends it with an error. */
  stop(error: unknown): void {
    if (this.isOver) return;
    this.end();
    this.outcome.reject(error);
  }

  private end(): void {
    this.isOver = true;
    this.cancelNext();
  }
}

async function discardAfter(cause: unknown, file: SnapshotFile): Promise<void> {
  try {
    await file.discard();
  } catch (error) {
    throw new AggregateError([cause, error], "Cannot write a segment of the changelog, nor remove it", { cause });
  }
}
