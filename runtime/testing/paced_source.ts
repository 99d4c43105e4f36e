/**
 * Sources that take their time, so that checkpoints come between records, and that fail when told to.
 *
 * Called by: control/testing/run_pipeline.ts.
 * Calls: the source below.
 *
 * Invariants:
 * - a record is emitted as the source below emits it, and its position is the one below.
 *
 * @module
 */
import { type Clock, delay } from "../../core/clock.ts";
import type {
  MalformedInput,
  ReadStatus,
  Source,
  SourceOutput,
  SourceReader,
  SplitPosition,
} from "../../core/source.ts";
import type { WatermarkStrategy } from "../../timers/watermarks.ts";
import type { Pipeline } from "../pipeline.ts";
import type { DataStream } from "../stream.ts";

/** What goes with every source of a pipeline. */
export interface Pace {
  /** Between two records of a source subtask, virtual milliseconds > 0. */
  readonly intervalMs: number;
  /** Told of each record that was read, also of one that is read again. */
  onRecord(): void;
  /** Asked before each read and behind each record; a promise: nothing is read until it has resolved. @throws What the source is to fail with. */
  check(): Promise<void> | null;
}

/** Paces every source that is added to the pipeline from here on. */
export function paceSources(pipeline: Pipeline, pace: Pace): void {
  // Binding keeps the type parameter, which the type of `bind` does not say.
  const fromSource = pipeline.fromSource.bind(pipeline) as Pipeline["fromSource"];
  pipeline.fromSource = <T>(name: string, source: Source<T>, strategy?: WatermarkStrategy<T>): DataStream<T> => {
    const paced: Source<T> = {
      boundedness: source.boundedness,
      replayable: source.replayable,
      ...(source.maxParallelism === undefined ? {} : { maxParallelism: source.maxParallelism }),
      open: async (context) => new PacedReader(await source.open(context), context.clock, pace),
    };
    return fromSource(name, paced, strategy);
  };
}

/** Reads one record at a time. */
class PacedReader<T> implements SourceReader<T>, SourceOutput<T> {
  readonly progress?: () => { readonly done: number; readonly total: number } | null;
  readonly checkpointCompleted?: (checkpointId: number) => void | Promise<void>;
  /** Where records go while the reader below reads. */
  #output: SourceOutput<T> | null = null;
  #hasRecord = false;

  constructor(
    private readonly below: SourceReader<T>,
    private readonly clock: Clock,
    private readonly pace: Pace,
  ) {
    if (below.progress !== undefined) this.progress = () => below.progress!();
    if (below.checkpointCompleted !== undefined) {
      this.checkpointCompleted = (checkpointId) => below.checkpointCompleted!(checkpointId);
    }
  }

  read(output: SourceOutput<T>): ReadStatus {
    const waiting = this.pace.check();
    if (waiting !== null) return waiting;
    this.#output = output;
    this.#hasRecord = false;
    const status = this.below.read(this);
    this.#output = null;
    if (!this.#hasRecord) return status;
    const stopped = this.pace.check();
    if (stopped !== null) return stopped;
    return status === "ready" ? delay(this.clock, this.pace.intervalMs) : status;
  }

  collect(value: T, timestampMs: number): boolean {
    this.#count();
    this.#output!.collect(value, timestampMs); // it reads within `read`
    return false;
  }

  collectMalformed(malformed: MalformedInput): boolean {
    this.#count();
    this.#output!.collectMalformed(malformed); // as above
    return false;
  }

  #count(): void {
    this.#hasRecord = true;
    this.pace.onRecord();
  }

  position(): readonly SplitPosition[] {
    return this.below.position();
  }

  close(): void | Promise<void> {
    return this.below.close();
  }
}
