/**
 * Wraps a watermark generator: after a silence its subtask counts as idle.
 *
 * Called by: timers/watermarks.ts.
 * Calls: core/clock.ts; asks it in the periodic hook only, never for a record.
 *
 * Source: Flink's `WatermarksWithIdleness`.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import type { WatermarkGenerator, WatermarkOutput } from "./watermarks.ts";

/** A generator that tells silence. */
export class GeneratorWithIdleness<T> implements WatermarkGenerator<T> {
  private records = 0;
  private recordsSeen = 0;
  private idle = false;
  /** Monotonic time of the first periodic call that saw no new record; NaN while records come. */
  private silentSinceMs = Number.NaN;

  /** @param idlenessMs Silence that makes idle, as the periodic calls see it. */
  constructor(
    private readonly generator: WatermarkGenerator<T>,
    private readonly clock: Clock,
    private readonly idlenessMs: number,
  ) {}

  /** Ends idleness. */
  onEvent(value: T, timestampMs: number, output: WatermarkOutput): void {
    this.records++;
    if (this.idle) {
      this.idle = false;
      output.markActive();
    }
    this.generator.onEvent(value, timestampMs, output);
  }

  /** Marks the output idle when the silence has lasted; an idle generator is not asked. */
  onPeriodicEmit(output: WatermarkOutput): void {
    if (this.records !== this.recordsSeen) {
      this.recordsSeen = this.records;
      this.silentSinceMs = Number.NaN;
    } else if (!this.idle) {
      const nowMs = this.clock.monotonicMs();
      if (Number.isNaN(this.silentSinceMs)) {
        this.silentSinceMs = nowMs;
      } else if (nowMs - this.silentSinceMs >= this.idlenessMs) {
        this.idle = true;
        output.markIdle();
      }
    }
    if (!this.idle) this.generator.onPeriodicEmit(output);
  }

  /** That of the generator; idleness is not kept. */
  snapshot(): number {
    return this.generator.snapshot();
  }

  /** See {@link GeneratorWithIdleness.snapshot}. */
  restore(state: number): void {
    this.generator.restore(state);
  }
}
