/**
 * Reads a source and stamps its records: event time, watermarks.
 *
 * Called by: runtime/subtask.ts, slice by slice.
 * Calls: the source's reader, the watermark generator, the operator downstream.
 *
 * Invariants:
 * - the position in a snapshot is behind exactly the records emitted before its barrier;
 * - watermarks follow from the sequence of records, and the generator's state
 *   is in the snapshot: a record that was late stays late after a restore.
 *
 * @module
 */
import { type Barrier, MAX_WATERMARK, MIN_WATERMARK } from "../../core/element.ts";
import type {
  MalformedInput,
  ReadStatus,
  Source,
  SourceOutput,
  SourceReader,
  SplitPosition,
} from "../../core/source.ts";
import type { WatermarkGenerator, WatermarkStrategy } from "../../timers/watermarks.ts";
import { Operator, type OperatorContext, type OperatorSnapshotParts } from "../operator.ts";
import { listOf, valuesOf, watermarkList, watermarkOf } from "../operator_lists.ts";
import { OperatorStates } from "../operator_states.ts";
import { malformedInputs } from "../side_output.ts";
import type { InputStatus, TaskInput } from "../task_input.ts";

/** Head of a chain that begins with a source. */
export class SourceOperator<T> extends Operator<never, T> implements SourceOutput<T>, TaskInput {
  #reader: SourceReader<T> | null = null;
  readonly #states: OperatorStates;
  private generator: WatermarkGenerator<T>;
  /** Event time has come this far; written here only. */
  watermarkMs = MIN_WATERMARK;
  #isIdle = false;
  #isStopped = false;
  /** Ends before its input does: "cut-short" without the end of event time, "drain" with it. */
  #ending: "cut-short" | "drain" | null = null;
  #isClosed = false;
  #hasEnded = false;
  #isWaiting = false;
  #cancelPeriodic: (() => void) | null = null;

  constructor(
    context: OperatorContext,
    private readonly source: Source<T>,
    private readonly strategy: WatermarkStrategy<T>,
  ) {
    super(context);
    this.#states = new OperatorStates(context);
    this.generator = strategy.createGenerator(context.clock);
  }

  /** The open reader, for progress. */
  get reader(): SourceReader<T> | null {
    return this.#reader;
  }

  /** Malformed inputs that were skipped or sent to the side output. */
  get malformedCount(): number {
    return this.context.metrics.counter("malformedRecords").count;
  }

  override watermarkAfter(): number {
    return this.watermarkMs;
  }

  override async open(): Promise<void> {
    const { context } = this;
    const { restore } = context;
    if (restore !== null) {
      this.generator.restore(watermarkOf(restore.lists["generator"]));
      this.watermarkMs = watermarkOf(restore.lists["watermark"]);
    }
    const reader = await this.source.open({
      name: context.operatorName,
      subtaskIndex: context.subtaskIndex,
      parallelism: context.parallelism,
      // What a checkpoint holds under this name was written by `snapshot` below.
      restored: restore === null ? null : valuesOf(restore.lists["splits"]) as SplitPosition[],
      clock: context.clock,
      random: context.random,
      fileSystem: context.fileSystem,
      metrics: context.metrics,
      operatorState: this.#states.declare.bind(this.#states),
    });
    this.#states.seal();
    // A job that was cancelled meanwhile has closed this operator without its reader.
    if (this.#isClosed) await reader.close();
    else this.#reader = reader;
  }

  override start(): void {
    if (this.watermarkMs > MIN_WATERMARK) this.out.watermark(this.watermarkMs);
    this.#schedulePeriodic();
  }

  #schedulePeriodic(): void {
    const { clock, task, watermarkIntervalMs } = this.context;
    if (watermarkIntervalMs <= 0) return;
    this.#cancelPeriodic = clock.schedule(watermarkIntervalMs, () =>
      task.postWork(() => {
        if (this.#hasEnded || this.#reader === null) return;
        this.generator.onPeriodicEmit(this);
        this.#schedulePeriodic();
      }));
  }

  /** Reads until the slice is over; see `TaskInput`. */
  process(): InputStatus {
    if (this.#hasEnded) return "ended";
    if (this.#ending !== null) return this.#end();
    if (this.#isStopped || this.#isWaiting) return "waiting";
    const status = this.#read();
    if (status === "ready") return "more";
    if (status === "ended") return this.#end();
    this.#isWaiting = true;
    status.then(
      () => {
        this.#isWaiting = false;
        this.context.task.wake();
      },
      (cause) => this.context.task.fail(this.failureOutsideRecords(cause)),
    );
    return "waiting";
  }

  #read(): ReadStatus {
    try {
      return this.#reader!.read(this);
    } catch (cause) {
      throw this.failureOutsideRecords(cause);
    }
  }

  /** Barriers are given to a source as mails, which never wait for records. */
  passBarriers(): boolean {
    return false;
  }

  #end(): "ended" {
    if (this.#ending !== "cut-short") this.emitWatermark(MAX_WATERMARK);
    this.#hasEnded = true;
    this.#cancelPeriodic?.();
    return "ended";
  }

  /** Reads no more until `resume`; barriers still pass. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Reads on after a `stop`. */
  resume(): void {
    this.#isStopped = false;
    this.context.task.wake();
  }

  /** Ends before the input does, as if it had ended: event time comes to its end, and every timer fires. */
  drain(): void {
    this.#ending ??= "drain";
    this.context.task.wake();
  }

  /** Ends before the input does: what has been read is processed, but event time does not come to its end. */
  cutShort(): void {
    this.#ending ??= "cut-short";
    this.context.task.wake();
  }

  collect(value: T, timestampMs: number): boolean {
    this.recordsIn.count++;
    if (this.strategy.hasEventTime) this.#collectInTime(value, timestampMs);
    else this.out.collect(value, timestampMs);
    return !this.context.task.shouldPause();
  }

  #collectInTime(value: T, sourceTimestampMs: number): void {
    let timestampMs: number;
    try {
      timestampMs = this.strategy.timestampOf(value, sourceTimestampMs);
    } catch (cause) {
      throw this.failure(cause, value);
    }
    this.out.collect(value, timestampMs);
    this.generator.onEvent(value, timestampMs, this);
  }

  collectMalformed(malformed: MalformedInput): boolean {
    this.side(malformedInputs.id).collect(malformed, MIN_WATERMARK);
    return !this.context.task.shouldPause();
  }

  /** Called by the watermark generator. */
  emitWatermark(watermarkMs: number): void {
    if (!(watermarkMs > this.watermarkMs)) return;
    this.watermarkMs = watermarkMs;
    // Downstream nobody listens to the watermarks of an idle input.
    this.markActive();
    this.out.watermark(watermarkMs);
  }

  /** Called by the watermark generator. */
  markIdle(): void {
    this.#setIdle(true);
  }

  /** Called by the watermark generator. */
  markActive(): void {
    this.#setIdle(false);
  }

  #setIdle(isIdle: boolean): void {
    if (isIdle === this.#isIdle) return;
    this.#isIdle = isIdle;
    this.out.idle(isIdle);
  }

  override snapshot(_barrier: Barrier): OperatorSnapshotParts {
    // Positions are written now: a reader may go on changing what it returned.
    const splits = listOf("split", this.#reader!.position());
    const lists = {
      ...this.#states.snapshot(),
      splits,
      generator: watermarkList(this.generator.snapshot()),
      watermark: watermarkList(this.watermarkMs),
    };
    return { keyed: null, lists: () => Promise.resolve(lists) };
  }

  override async checkpointCompleted(checkpointId: number): Promise<void> {
    await this.#reader?.checkpointCompleted?.(checkpointId);
  }

  override async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelPeriodic?.();
    const reader = this.#reader;
    this.#reader = null;
    await reader?.close();
  }
}
