/**
 * The contract of an operator: a node of the pipeline at work in one subtask.
 * An operator is the `Output` of the one before it, so a chained record is a
 * direct call.
 *
 * Called by: runtime/subtask.ts (life, barriers), the operator upstream (records).
 * Calls: core/ contracts.
 *
 * Life: construct → open → start → records, timers, snapshots → close.
 *
 * @module
 */
import type { PendingSnapshot, StateBackendFactory } from "../core/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import type { Barrier } from "../core/element.ts";
import type { FileSystem } from "../core/file_system.ts";
import type { KeyGroupRange } from "../core/key_groups.ts";
import type { Counter, MetricGroup } from "../core/metrics.ts";
import type { OperatorStateDescriptor } from "../core/operator_state.ts";
import type { SinkStart } from "../core/sink.ts";
import type { KeyedStateHandle, OperatorList, SnapshotReader, SnapshotStore } from "../core/snapshot.ts";
import type { StateLatencySettings } from "./latency_options.ts";
import type { Feedback } from "./feedback/feedback_network.ts";
import { OperatorError, refusePromise } from "./operator_error.ts";
import { type InputPort, nowhere, type Output, type RecordPort } from "./output.ts";
import type { TimerSettings } from "./timer_settings.ts";

/** What an operator asks of the subtask it lives in. */
export interface TaskControl {
  /** Whether the work in hand must pause: no room downstream, the slice is over, or a mail waits. Asked between steps. */
  shouldPause(): boolean;
  /** Runs a mail between two steps, never within one. It sends no records: it may run while there is no room for them. */
  post(mail: () => void): void;
  /** Runs work that may send records between two steps, once there is room and no other work is cut short; dropped after the end of input. */
  postWork(work: () => void): void;
  /** Work that a pause has cut short; no record is read until `resume` has returned true. */
  resumeLater(work: Resumable): void;
  /** Ends the attempt. */
  fail(error: unknown): void;
  /** Tells that input may be there. */
  wake(): void;
  /** The same, for input that goes before the one in hand. */
  interrupt(): void;
}

/** Input that comes from within the job, beside that of the subtask. */
export interface InnerInput {
  /** Whether `process` has something to do. */
  readonly isReady: boolean;
  /** Processes what is there now, not what that causes; stops when the subtask is to pause. */
  process(): void;
}

/** Work that goes on after a pause. */
export interface Resumable {
  /** Goes on; true when nothing is left. */
  resume(): boolean;
}

/** What a checkpoint holds for one operator subtask. */
export interface OperatorRestore {
  readonly checkpointId: number;
  readonly keyed: readonly KeyedStateHandle[];
  readonly lists: Readonly<Record<string, OperatorList>>;
  readonly reader: SnapshotReader;
}

/** What an operator is made with. */
export interface OperatorContext {
  /** 32 hex digits, stable across restarts. */
  readonly operatorId: string;
  readonly operatorName: string;
  readonly subtaskIndex: number;
  /** Subtasks of one slot share its memory. */
  readonly slotIndex: number;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly keyGroups: KeyGroupRange;
  readonly clock: Clock;
  readonly random: Random;
  readonly fileSystem: FileSystem;
  readonly metrics: MetricGroup;
  readonly backendFactory: StateBackendFactory;
  /** Writes files that checkpoints share, at any time; absent where checkpoints are not files. */
  readonly sharedStore?: SnapshotStore;
  readonly incremental: boolean;
  readonly timers: TimerSettings;
  /** Null: accesses of state are not measured. */
  readonly stateLatency: StateLatencySettings | null;
  /** Milliseconds between two periodic watermark emissions; 0 = none. */
  readonly watermarkIntervalMs: number;
  /** Whether no operator downstream in the chain has timers. */
  readonly isLastKeyed: boolean;
  readonly task: TaskControl;
  readonly start: SinkStart;
  readonly restore: OperatorRestore | null;
  /** Null for an operator that neither tells others nor is told. */
  readonly feedback: Feedback | null;
}

/** The part of an operator's snapshot that is taken while no record moves. */
export interface OperatorSnapshotParts {
  /** Keyed state, or null for an operator without. */
  readonly keyed: PendingSnapshot | null;
  /** The asynchronous part of everything else. */
  readonly lists: () => Promise<Readonly<Record<string, OperatorList>>>;
}

/** No operator state. */
export const NO_LISTS: Readonly<Record<string, OperatorList>> = Object.freeze({});

const NOTHING: OperatorSnapshotParts = Object.freeze({ keyed: null, lists: () => Promise.resolve(NO_LISTS) });

/** What all operators share. Stateless ones override `collect` alone. */
export abstract class Operator<I, O> implements Output<I> {
  /** Set by the chain before `open`. */
  out: Output<O> = nowhere;
  /** Outputs by tag id; set by the chain before `open`. */
  sides: ReadonlyMap<string, Output<unknown>> = new Map();
  protected readonly recordsIn: Counter & { count: number };

  /**
   * What records must wait for, if anything; asked between two of them, now and then. Undefined, once `open` has ended,
   * for an operator that never makes them wait.
   */
  backpressure?: () => Promise<void> | undefined;

  /** Whether what it makes records wait for is the changelog of its state. */
  get waitsForChangelog(): boolean {
    return false;
  }

  constructor(protected readonly context: OperatorContext) {
    // The registry's counters are plain objects with a mutable count, so that the record path can add without a call.
    this.recordsIn = context.metrics.counter("numRecordsIn") as Counter & { count: number };
  }

  /** Messages from other operators; null for one that is told nothing. */
  get inner(): InnerInput | null {
    return null;
  }

  /** Whether something that earlier records have begun is not done: the end of input waits for it. */
  get isWaiting(): boolean {
    return false;
  }

  /** Stable identity across restarts. */
  get id(): string {
    return this.context.operatorId;
  }

  /** Name for people. */
  get name(): string {
    return this.context.operatorName;
  }

  /** Records taken since the attempt began. */
  get recordCount(): number {
    return this.recordsIn.count;
  }

  /** The states without a key that the user's code declares, for whoever wants to know without opening it. */
  get declared(): readonly OperatorStateDescriptor[] {
    return [];
  }

  /** The watermark that has gone downstream, when `inputMs` is the one that has come in. */
  watermarkAfter(inputMs: number): number {
    return inputMs;
  }

  abstract collect(value: I, timestampMs: number): void;

  /** Where the records of an input go: the operator itself, unless it has two inputs. */
  port(_port: InputPort): RecordPort {
    return this as RecordPort; // The fluent API has tied what comes in to I.
  }

  /** Processes what `collect` has put off; called before a barrier and at the end of every step of the subtask. */
  flush(): void {}

  watermark(watermarkMs: number): void {
    this.out.watermark(watermarkMs);
  }

  idle(isIdle: boolean): void {
    this.out.idle(isIdle);
  }

  /** Acquires resources and takes state back. */
  open(): void | Promise<void> {}

  /** Called once every operator of the job is open: timers that are due may fire. */
  start(): void {}

  /** A slice of the subtask begins: records and timers may come. */
  beginSlice(): void {}

  /** A slice has ended, and the event loop turns: what a user's function does until the next one belongs to no record. */
  endSlice(): void {}

  /** The synchronous part of a snapshot: O(1), never O(state). */
  snapshot(_barrier: Barrier): OperatorSnapshotParts {
    return NOTHING;
  }

  /** The checkpoint is durable. */
  checkpointCompleted(_checkpointId: number): void | Promise<void> {}

  /** The checkpoint will never complete. */
  checkpointAborted(_checkpointId: number): void {}

  /** Frees everything; safe to call twice and before `open` has ended. */
  close(): void | Promise<void> {}

  /** Where records with this tag go. */
  protected side(tagId: string): Output<unknown> {
    return this.sides.get(tagId) ?? nowhere;
  }

  /** Wraps what a user's function has thrown. */
  protected failure(cause: unknown, value: unknown, recordNumber: number = this.recordsIn.count): Error {
    return OperatorError.of(this.name, this.context.subtaskIndex, cause, recordNumber, value);
  }

  /** Wraps a failure that no single record has caused. */
  protected failureOutsideRecords(cause: unknown): Error {
    return OperatorError.of(this.name, this.context.subtaskIndex, cause);
  }

  /** Fails when a user's function on the record path returned a promise. */
  protected checkSynchronous(result: unknown, what: string): void {
    if (result instanceof Promise) throw refusePromise(this.name, what, result);
  }
}
