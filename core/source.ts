/**
 * The public contract of a source: a place that records come from, which can
 * say how far it has been read and can go on from there.
 * `tests/contracts/source.ts` is its conformance suite.
 *
 * Called by: runtime/ (one reader per source subtask); implemented in connectors/ and by users.
 * Calls: nothing.
 *
 * @module
 */
import type { Clock, Random } from "./clock.ts";
import type { FileSystem } from "./file_system.ts";
import type { MetricGroup } from "./metrics.ts";
import type {
  BroadcastState,
  BroadcastStateDescriptor,
  OperatorListState,
  OperatorListStateDescriptor,
} from "./operator_state.ts";

/** How far one part of the input has been read. */
export interface SplitPosition {
  /** Names the part, for example a path; the same after a restart. */
  readonly split: string;
  /** Anything that the default serializer can write; `undefined` is not. */
  readonly position: unknown;
}

/** Takes records from a reader. */
export interface SourceOutput<T> {
  /**
   * Emits one record.
   *
   * @param timestampMs Event time, or `NO_TIMESTAMP`; a watermark strategy may assign another one.
   * @returns False when the reader must return from `read` now: its slice is over or the job has no room. The record was taken.
   */
  collect(value: T, timestampMs: number): boolean;
  /** Puts a malformed input where `onMalformed: "side-output"` sends it. @returns As `collect`. */
  collectMalformed(malformed: MalformedInput): boolean;
}

/** An input that could not be read as a record. */
export interface MalformedInput {
  /** Where it is: file, line and column as far as known. */
  readonly location: string;
  /** The input as text, shortened to 1,000 characters. */
  readonly text: string;
  /** Why it is no record, as far as the parser can tell. */
  readonly reason: string;
}

/** What a reader is opened with. */
export interface SourceContext {
  /** Name that the pipeline gives the source. */
  readonly name: string;
  /** 0-based. */
  readonly subtaskIndex: number;
  /** Number of subtasks that share the source. */
  readonly parallelism: number;
  /** Positions dealt to this subtask from a checkpoint; null at a fresh start. An empty list means: nothing left for this subtask. */
  readonly restored: readonly SplitPosition[] | null;
  /** The only time that a source may ask for. */
  readonly clock: Clock;
  /** The only randomness that a source may use. */
  readonly random: Random;
  /** The only way to files. */
  readonly fileSystem: FileSystem;
  /** Metrics of this operator subtask. */
  readonly metrics: MetricGroup;
  /**
   * Declares state that the reader keeps beside its positions, and returns it with what a checkpoint has dealt to this
   * subtask. Call it before `open` returns. The reader may change the state whenever it likes, last in `position()`, after
   * which a checkpoint takes it.
   *
   * @throws {StreamError} Of kind "invalid" if the reader is open, the name is taken, or the checkpoint does not go with it.
   */
  operatorState<T>(descriptor: OperatorListStateDescriptor<T>): OperatorListState<T>;
  /** The same for a map of which every subtask has a copy. */
  operatorState<K, V>(descriptor: BroadcastStateDescriptor<K, V>): BroadcastState<K, V>;
}

/** `ready`: call again; `ended`: no more for ever; a promise: call again once it has resolved. */
export type ReadStatus = "ready" | "ended" | Promise<void>;

/** Reads one subtask's share of a source. Never called again before a promise it returned has settled, except `position` and `close`. */
export interface SourceReader<T> {
  /** Emits until `output.collect` returns false, the input is used up for now, or it has ended. Synchronous. */
  read(output: SourceOutput<T>): ReadStatus;
  /** Position behind the last record emitted; O(number of splits). Called between reads. */
  position(): readonly SplitPosition[];
  /** Done and total work in any unit (bytes, records), for a progress display; null when unknown. */
  progress?(): { readonly done: number; readonly total: number } | null;
  /** A checkpoint that holds `position()` as it was at its barrier is durable, for example to acknowledge to a broker. */
  checkpointCompleted?(checkpointId: number): void | Promise<void>;
  /** Frees everything; safe to call twice. Nothing is called afterwards. */
  close(): void | Promise<void>;
}

/** A place that records come from. Immutable: it may be opened many times. */
export interface Source<T> {
  /** Whether it ends by itself. */
  readonly boundedness: "bounded" | "unbounded";
  /** Whether a reader that is opened at a restored position emits exactly the records that followed it. Otherwise it is refused when checkpointing is on. */
  readonly replayable: boolean;
  /** Largest useful parallelism, for example 1 for a single iterable. Absent: any. */
  readonly maxParallelism?: number;
  /** Makes the reader of one subtask; called again at every restart. */
  open(context: SourceContext): SourceReader<T> | Promise<SourceReader<T>>;
}
