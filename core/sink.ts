/**
 * The public contract of a sink: two-phase commit, so that output becomes
 * visible only together with the checkpoint that covers it.
 * `tests/contracts/sink.ts` is its conformance suite.
 *
 * Called by: runtime/ (one writer per sink subtask); implemented in connectors/ and by users.
 * Calls: nothing.
 *
 * Life of a writer: open → recover → (write … prepareCommit → commit)* → close.
 *
 * @module
 */
import type { Clock, Random } from "./clock.ts";
import type { FileSystem } from "./file_system.ts";
import type { MetricGroup } from "./metrics.ts";

/** What a writer is opened with. */
export interface SinkContext {
  /** Name that the pipeline gives the sink. */
  readonly name: string;
  /** 0-based. */
  readonly subtaskIndex: number;
  /** Number of subtasks that share the sink. */
  readonly parallelism: number;
  /** The only time that a sink may ask for. */
  readonly clock: Clock;
  /** The only randomness that a sink may use. */
  readonly random: Random;
  /** The only way to files. */
  readonly fileSystem: FileSystem;
  /** Metrics of this operator subtask. */
  readonly metrics: MetricGroup;
  /** Fails the job at once, for what goes wrong while none of the writer's methods runs. */
  fail(error: unknown): void;
}

/** How the job starts. */
export type SinkStart =
  /** Nothing was there before: refuse to mix with output of an earlier run. */
  | { readonly kind: "fresh" }
  /** Recovery of a job of which no checkpoint ever completed: clear its uncommitted leftovers. */
  | { readonly kind: "restart" }
  /** From checkpoint `checkpointId`: output of later checkpoints must go. Its pending transactions are committed right after. */
  | { readonly kind: "restore"; readonly checkpointId: number };

/**
 * Writes one subtask's share of a sink.
 *
 * @typeParam C What is known of a transaction that is prepared: goes into the checkpoint, so the default serializer must be able to write it.
 */
export interface SinkWriter<T, C = unknown> {
  /** Called once, before the first write and before `commit`s of restored transactions. */
  recover(start: SinkStart): void | Promise<void>;
  /** Takes one record; synchronous, may buffer. */
  write(value: T, timestampMs: number): void;
  /** A promise when records must wait (the buffer is full); asked between slices. */
  backpressure?(): Promise<void> | undefined;
  /**
   * Ends the current transaction: what was written before belongs to it, what is written from now on does not.
   * Returns at once with the asynchronous part, which makes the transaction durable without making it visible. When
   * that rejects, the checkpoint fails, and it is called again before the asynchronous part of the next one.
   *
   * @returns Resolves to what `commit` needs, or undefined when nothing was written.
   */
  prepareCommit(checkpointId: number): () => Promise<C | undefined>;
  /** Makes a transaction visible; must succeed when it is visible already. Called in the order of checkpoint ids. */
  commit(committable: C, checkpointId: number): void | Promise<void>;
  /**
   * Frees everything; safe to call twice. A transaction that is prepared and not committed stays as it is:
   * the checkpoint that holds it commits it after a restart.
   */
  close(): void | Promise<void>;
}

/** A place that records go to. Immutable: it may be opened many times. */
export interface Sink<T, C = unknown> {
  /** Whether a record can appear twice after a failure. */
  readonly guarantee: "exactly-once" | "at-least-once";
  /** Largest useful parallelism. Absent: any. */
  readonly maxParallelism?: number;
  /** Where output goes, for the summary: a path, a URL, or `standard output`. */
  readonly destination?: string;
  /** Whether no other sink of a job may have the same `destination`. Absent: it may be shared. */
  readonly ownsDestination?: boolean;
  /** Makes the writer of one subtask; called again at every restart. */
  open(context: SinkContext): SinkWriter<T, C> | Promise<SinkWriter<T, C>>;
}
