/**
 * Says how records get their timestamps, and how far event time has come after each.
 *
 * Called by: users' pipelines (`watermarks`, `noWatermarks`), runtime (sources and the operators that assign timestamps).
 * Calls: timers/idleness.ts, core/.
 *
 * The generators that come with it emit with each record that raises the maximum, not by the wall clock: what is late is
 * then decided by the sequence of records alone, and a restore decides the same.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import { NO_TIMESTAMP } from "../core/element.ts";
import { StreamError } from "../core/errors.ts";
import { GeneratorWithIdleness } from "./idleness.ts";

/** Where a generator says what it has found. */
export interface WatermarkOutput {
  /** No record with a timestamp of `watermarkMs` or below will follow. One that is not above the last is ignored. */
  emitWatermark(watermarkMs: number): void;
  /** Nothing comes for now: whoever waits for watermarks shall not wait for this input. */
  markIdle(): void;
  /** Records come again. A watermark says so, too. */
  markActive(): void;
}

/** Derives watermarks from records. One instance for each source subtask; what it emits follows the record. */
export interface WatermarkGenerator<T> {
  /** Called after each record has been sent on. */
  onEvent(value: T, timestampMs: number, output: WatermarkOutput): void;
  /** Called every `pipeline.auto-watermark-interval`. */
  onPeriodicEmit(output: WatermarkOutput): void;
  /** What a restore needs to go on alike: the largest timestamp, as a rule. Goes into snapshots. */
  snapshot(): number;
  /** Takes back what `snapshot` returned; called before the first record, on the smallest value when the parallelism changed. */
  restore(state: number): void;
}

/**
 * Returns the timestamp of a record, milliseconds since the epoch.
 *
 * @param sourceTimestampMs What the source says, `-Infinity` when it says nothing.
 */
export type TimestampFunction<T> = (value: T, sourceTimestampMs: number) => number;

/** How timestamps and watermarks are made. Immutable: each method returns another strategy. */
export class WatermarkStrategy<T> {
  /** Silence after which a subtask is idle, milliseconds; null: never. */
  readonly idlenessMs: number | null;
  /** False when records keep the timestamps of their source and nothing emits watermarks: they need not be looked at. */
  readonly hasEventTime: boolean;
  readonly #timestamp: TimestampFunction<T> | null;
  readonly #generator: () => WatermarkGenerator<T>;

  /**
   * Use {@link watermarks} or {@link noWatermarks}.
   *
   * @param generator Null: no watermarks.
   */
  constructor(
    timestamp: TimestampFunction<T> | null,
    generator: (() => WatermarkGenerator<T>) | null,
    idlenessMs: number | null = null,
  ) {
    this.#timestamp = timestamp;
    this.#generator = generator ?? (() => new NoWatermarks());
    this.idlenessMs = idlenessMs;
    this.hasEventTime = timestamp !== null || generator !== null || idlenessMs !== null;
  }

  /** For timestamps that never fall within a source subtask: the watermark is the largest timestamp - 1. */
  monotonous(): WatermarkStrategy<T> {
    return this.boundedOutOfOrderness(0);
  }

  /**
   * For records that come at most `boundMs` after one with a larger timestamp: the watermark is the largest timestamp
   * - `boundMs` - 1.
   *
   * @param boundMs Milliseconds, ≥ 0, finite.
   * @throws {RangeError} If it is not.
   */
  boundedOutOfOrderness(boundMs: number): WatermarkStrategy<T> {
    if (!(Number.isFinite(boundMs) && boundMs >= 0)) {
      throw new RangeError(
        `Cannot bound out-of-orderness: boundMs must be a finite number ≥ 0, current value is ${boundMs}`,
      );
    }
    return new WatermarkStrategy<T>(this.#timestamp, () => new BoundedOutOfOrderness(boundMs), this.idlenessMs);
  }

  /** Watermarks by your own generator; `create` is called once for each subtask. */
  custom(create: () => WatermarkGenerator<T>): WatermarkStrategy<T> {
    return new WatermarkStrategy(this.#timestamp, create, this.idlenessMs);
  }

  /**
   * Declares a subtask idle when it had no record for `idlenessMs`, so that others need not wait for it. Event time then
   * depends on the wall clock: a restore may find other records late.
   *
   * @param idlenessMs Milliseconds, > 0, finite.
   * @throws {RangeError} If it is not.
   */
  withIdleness(idlenessMs: number): WatermarkStrategy<T> {
    if (!(Number.isFinite(idlenessMs) && idlenessMs > 0)) {
      throw new RangeError(
        `Cannot detect idleness: idlenessMs must be a finite number > 0, current value is ${idlenessMs}`,
      );
    }
    return new WatermarkStrategy(this.#timestamp, this.#generator, idlenessMs);
  }

  /** Makes the generator of one subtask. @param clock Measures silence. */
  createGenerator(clock: Clock): WatermarkGenerator<T> {
    const generator = this.#generator();
    return this.idlenessMs === null ? generator : new GeneratorWithIdleness(generator, clock, this.idlenessMs);
  }

  /**
   * The timestamp of a record: what the user's function returns, or the source's when there is no function.
   *
   * @throws {StreamError} Of kind "invalid", if the function does not return a finite number.
   */
  timestampOf(value: T, sourceTimestampMs: number): number {
    if (this.#timestamp === null) return sourceTimestampMs;
    const timestampMs = this.#timestamp(value, sourceTimestampMs);
    if (typeof timestampMs !== "number" || timestampMs - timestampMs !== 0) throw noTimestamp(timestampMs);
    return timestampMs;
  }
}

function noTimestamp(returned: unknown): StreamError {
  const [what, remedy] = described(returned);
  return new StreamError(
    "invalid",
    `Cannot give a record its timestamp: the function passed to watermarks() returned ${what}, must be a finite ` +
      `number of milliseconds since the epoch; ${remedy}`,
  );
}

function described(returned: unknown): [what: string, remedy: string] {
  if (returned instanceof Date) return ["a Date", "return date.getTime()"];
  if (returned instanceof Promise) return ["a promise", "fetch what it needs before, the function must be synchronous"];
  if (typeof returned === "bigint") return [`the bigint ${returned}n`, "return Number(…), in milliseconds"];
  if (typeof returned === "string") return [`the string ${JSON.stringify(returned)}`, "return Date.parse(…) of it"];
  if (typeof returned === "object" && returned !== null) return ["an object", "return the field that holds the time"];
  return [String(returned), "check the field that it reads, and drop records without a time by a filter before"];
}

/** Emits the largest timestamp - bound - 1 whenever it rises. */
class BoundedOutOfOrderness implements WatermarkGenerator<unknown> {
  private largestMs = NO_TIMESTAMP;

  constructor(private readonly boundMs: number) {}

  onEvent(_value: unknown, timestampMs: number, output: WatermarkOutput): void {
    if (!(timestampMs > this.largestMs)) return;
    this.largestMs = timestampMs;
    output.emitWatermark(timestampMs - this.boundMs - 1);
  }

  onPeriodicEmit(): void {}

  snapshot(): number {
    return this.largestMs;
  }

  restore(state: number): void {
    this.largestMs = state;
  }
}

/** Emits nothing. */
class NoWatermarks implements WatermarkGenerator<unknown> {
  onEvent(): void {}
  onPeriodicEmit(): void {}
  snapshot(): number {
    return NO_TIMESTAMP;
  }
  restore(): void {}
}

/**
 * Event time from a field of the records. Without another call the timestamps are taken to never fall.
 *
 * @example
 * ```ts
 * import { watermarks } from "./watermarks.ts";
 *
 * const flights = watermarks((flight: { departure: string }) => Date.parse(flight.departure))
 *   .boundedOutOfOrderness(60_000)
 *   .withIdleness(5_000);
 * if (flights.timestampOf({ departure: "2001-01-02T00:00Z" }, -Infinity) !== 978_393_600_000) throw new Error();
 * ```
 *
 * @param timestamp Returns milliseconds since the epoch; anything but a finite number fails the job.
 */
export function watermarks<T>(timestamp: TimestampFunction<T>): WatermarkStrategy<T> {
  return new WatermarkStrategy<T>(timestamp, () => new BoundedOutOfOrderness(0));
}

/** No event time: records keep the timestamps of their source, and event-time timers fire at the end of a bounded input only. */
export function noWatermarks<T = unknown>(): WatermarkStrategy<T> {
  return new WatermarkStrategy<T>(null, null);
}
