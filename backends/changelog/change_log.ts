/**
 * The changes since the last materialization: a list of segments, the last of which is still being filled.
 *
 * A segment becomes a file as soon as it is large, or a checkpoint needs it; it stays part of the log whatever becomes of
 * that checkpoint, until a materialization covers it.
 *
 * Called by: changelog_backend.ts, changelog_snapshot.ts, materializer.ts.
 * Calls: log_buffer.ts, log_uploader.ts.
 *
 * Invariants:
 * - a segment that a checkpoint names, or may still name, is never removed here: the job removes it with its checkpoints;
 * - a segment that no checkpoint names is removed once it is cut off.
 *
 * @module
 */
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { FileRef, LogSegment } from "../../core/snapshot.ts";
import type { RunState } from "../runs/run_format.ts";
import { FRAME_BYTES, LogBuffer } from "./log_buffer.ts";
import type { LogTarget } from "./log_slot.ts";
import type { LogUploader } from "./log_uploader.ts";

/** However early segments are to be written, their frames are not smaller. */
const MIN_FRAME_BYTES = 1_024;

/** What a log is made of. */
export interface ChangeLogPlan {
  readonly target: LogTarget;
  readonly keyGroups: KeyGroupRange;
  /** Writes files; undefined: segments are kept in memory and travel within the metadata of checkpoints. */
  readonly uploader: LogUploader | undefined;
  readonly compress: boolean;
  /** Segments within the metadata have at most so many bytes together. */
  readonly inlineBytes: number;
  /** Size from which a segment is written without waiting for a checkpoint. */
  readonly preemptiveBytes: number;
  /** The state table of now. */
  readonly states: () => readonly RunState[];
  /** Whether changes are needed at all: not while the next checkpoint is a materialization. */
  readonly isNeeded: () => boolean;
}

/** A part of the log that takes no more changes. */
export class SealedSegment {
  /** Checkpoints under way that name it. */
  users = 0;
  /** A checkpoint that was handed out names it. */
  isGiven = false;
  /** A checkpoint that is durable names it. */
  isConfirmed = false;
  isCutOff = false;
  /** After a failure: it will be written by itself. */
  isToBeRetried = false;
  /** Bytes that it takes, as a file. */
  sizeBytes: number;
  /** What counts as in flight until it is written. */
  private readonly heldBytes: number;
  private written: LogSegment | undefined;
  private writing: Promise<LogSegment> | undefined;

  /** @param order Counts the segments of one log. */
  constructor(readonly order: number, private buffer: LogBuffer | undefined, private readonly plan: ChangeLogPlan) {
    this.sizeBytes = this.heldBytes = buffer!.out.length;
    plan.uploader?.take(this.heldBytes);
  }

  /** Whether it is not written, and nobody is about to. */
  get isOpen(): boolean {
    return this.written === undefined && this.writing === undefined;
  }

  /** The segment, once it is durable or in memory for good. A failure is tried again by the next call. */
  write(inline: boolean): Promise<LogSegment> {
    if (this.written !== undefined) return Promise.resolve(this.written);
    this.writing ??= this.begin(inline).finally(() => {
      this.writing = undefined;
      if (this.isCutOff) this.removeUnused();
    });
    return this.writing;
  }

  private finished: { readonly bytes: Uint8Array; readonly footerCrc32: number } | undefined;

  private async begin(inline: boolean): Promise<LogSegment> {
    const { plan } = this;
    const buffer = this.buffer!;
    if (this.finished === undefined) {
      const { out, footerCrc32 } = buffer.finish(plan.states(), plan.compress);
      this.finished = { bytes: out.view(), footerCrc32 };
    }
    const { bytes, footerCrc32 } = this.finished;
    const file: FileRef = inline || plan.uploader === undefined
      ? { scope: "inline", bytes: bytes.slice(), sizeBytes: bytes.length }
      : await plan.uploader.upload(bytes);
    this.written = { file, keyGroups: plan.keyGroups, entryCount: buffer.entryCount, footerCrc32 };
    this.sizeBytes = file.sizeBytes;
    this.release();
    return this.written;
  }

  /** Whether it is in memory for good. */
  get isInline(): boolean {
    return this.written?.file.scope === "inline";
  }

  /** Gives up the memory. */
  private release(): void {
    if (this.buffer === undefined) return;
    this.plan.uploader?.give(this.heldBytes);
    this.buffer = undefined;
    this.finished = undefined;
  }

  /** A materialization covers it. */
  cutOff(): void {
    this.isCutOff = true;
    this.removeUnused();
  }

  /** A checkpoint that has named it will never be. */
  leave(): void {
    this.users--;
    if (this.isCutOff) this.removeUnused();
  }

  private removeUnused(): void {
    if (this.isGiven || this.users > 0 || this.writing !== undefined) return;
    this.release();
    if (this.written === undefined || this.written.file.scope === "inline") return;
    this.plan.uploader?.remove(this.written.file);
    this.isGiven = true; // Nobody removes it twice.
  }
}

/** The log of one backend. */
export class ChangeLog {
  private segments: SealedSegment[] = [];
  private order = 0;

  constructor(private readonly plan: ChangeLogPlan) {
    plan.target.buffer = this.freshBuffer();
  }

  private freshBuffer(): LogBuffer {
    const frameBytes = Math.min(FRAME_BYTES, Math.max(MIN_FRAME_BYTES, this.plan.preemptiveBytes));
    return new LogBuffer(() => this.frameClosed(), frameBytes);
  }

  private frameClosed(): void {
    const { target, isNeeded, preemptiveBytes, uploader } = this.plan;
    if (target.buffer.sizeBytes < preemptiveBytes) return;
    if (!isNeeded()) return target.buffer.reset();
    const segment = this.seal();
    if (uploader !== undefined && segment !== undefined) this.writeEarly(segment, uploader);
  }

  /** A failure is nobody's, but that records may wait for room: else the next checkpoint tries again. */
  private writeEarly(segment: SealedSegment, uploader: LogUploader): void {
    segment.write(false).catch(() => this.retryWhileFull(segment, uploader));
  }

  private retryWhileFull(segment: SealedSegment, uploader: LogUploader): void {
    if (segment.isCutOff || segment.isToBeRetried || !uploader.isFull) return;
    segment.isToBeRetried = true;
    uploader.later(() => {
      segment.isToBeRetried = false;
      if (segment.isOpen && !segment.isCutOff) this.writeEarly(segment, uploader);
    });
  }

  /** Records wait for room: what nobody is writing, nor about to, is written now. */
  makeRoom(): void {
    const { uploader } = this.plan;
    if (uploader === undefined) return;
    for (const segment of this.segments) {
      if (segment.isOpen && !segment.isToBeRetried) this.writeEarly(segment, uploader);
    }
  }

  /** Ends the segment that is being filled; undefined when there is nothing in it. */
  private seal(): SealedSegment | undefined {
    const { target } = this.plan;
    const { buffer } = target;
    if (buffer.entryCount === 0) return undefined;
    buffer.seal();
    const segment = new SealedSegment(++this.order, buffer, this.plan);
    this.segments.push(segment);
    target.buffer = this.freshBuffer();
    return segment;
  }

  /** The changes up to now, and their number: what follows has a greater one. */
  mark(): { readonly border: number; readonly segments: readonly SealedSegment[] } {
    this.seal();
    return { border: this.order, segments: this.segments.slice() };
  }

  /** Changes up to a border are covered by a materialization. */
  cut(border: number): void {
    const kept = this.segments.filter(({ order }) => order > border);
    const gone = this.segments.filter(({ order }) => order <= border);
    this.segments = kept;
    for (const segment of gone) segment.cutOff();
  }

  /** Forgets everything: the next checkpoint is a materialization. */
  forget(): void {
    this.plan.target.buffer.reset();
    this.cut(this.order);
  }

  /** Bytes of all segments, and of the one that is being filled. */
  get sizeBytes(): number {
    return this.segments.reduce((sum, one) => sum + one.sizeBytes, this.plan.target.buffer.sizeBytes);
  }

  /** Whether anything was changed. */
  get isEmpty(): boolean {
    return this.segments.length === 0 && this.plan.target.buffer.entryCount === 0;
  }

  /** Number of segments. */
  get segmentCount(): number {
    return this.segments.length;
  }

  /** Writes those of the segments that are not written, as many as can be at a time. */
  async write(segments: readonly SealedSegment[]): Promise<LogSegment[]> {
    const { uploader } = this.plan;
    let inlineBytes = 0;
    for (const segment of segments) if (segment.isInline) inlineBytes += segment.sizeBytes;
    return await Promise.all(segments.map((segment) => {
      const inline = segment.isOpen && inlineBytes + segment.sizeBytes <= this.plan.inlineBytes;
      if (inline) inlineBytes += segment.sizeBytes;
      const writing = segment.write(inline);
      // No barrier comes, and so no other checkpoint, while records wait for room.
      if (uploader !== undefined) writing.catch(() => this.retryWhileFull(segment, uploader));
      return writing;
    }));
  }
}
