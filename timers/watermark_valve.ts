/**
 * Combines the watermarks of several inputs into one: the minimum over those that are not idle, never going back.
 *
 * Called by: runtime (input gates, operators with several inputs).
 * Calls: core/element.ts.
 *
 * An input that was idle and is behind the combined watermark does not hold it until it has caught up. When the last
 * active input becomes idle, the largest watermark of all inputs is given out: nobody is left to wait for. An input that has
 * ended counts as MAX_WATERMARK, and not as an active one: when all others are idle, event time must not jump to the end.
 *
 * Source: Flink's `StatusWatermarkValve`, save for the ended inputs among idle ones.
 *
 * Invariants:
 * - `watermark` never falls;
 * - the watermark of each aligned channel is at or above `watermark`; idle channels are never aligned.
 *
 * @module
 */
import { MAX_WATERMARK, MIN_WATERMARK } from "../core/element.ts";

/** Minimum watermark over input channels `0..channelCount-1`. */
export class WatermarkValve {
  /** The combined watermark. */
  watermark: number = MIN_WATERMARK;
  /** Whether all inputs are idle, those that have ended aside; false once all have ended. */
  idle = false;

  private readonly channels: Float64Array;
  private readonly active: Uint8Array;
  /** Whether a channel counts for the minimum. */
  private readonly aligned: Uint8Array;
  private activeCount: number;
  /** Active or idle; the others have ended. */
  private openCount: number;

  /** @throws {RangeError} If `channelCount` is not an integer ≥ 1. */
  constructor(channelCount: number) {
    if (!(Number.isInteger(channelCount) && channelCount >= 1)) {
      throw new RangeError(
        `Cannot combine watermarks: channelCount must be an integer ≥ 1, current value is ${channelCount}`,
      );
    }
    this.channels = new Float64Array(channelCount).fill(MIN_WATERMARK);
    this.active = new Uint8Array(channelCount).fill(1);
    this.aligned = new Uint8Array(channelCount).fill(1);
    this.activeCount = channelCount;
    this.openCount = channelCount;
  }

  /**
   * A channel's watermark; one that is not above its last, or comes from an idle channel, changes nothing. MAX_WATERMARK
   * ends the channel.
   *
   * @returns Whether the combined watermark rose.
   */
  advance(channel: number, watermarkMs: number): boolean {
    const before = this.channels[channel]!;
    if (!(watermarkMs > before)) return false;
    if (watermarkMs === MAX_WATERMARK) return this.end(channel);
    if (this.active[channel] === 0) return false;
    this.channels[channel] = watermarkMs;
    if (this.aligned[channel] === 0) {
      if (watermarkMs < this.watermark) return false;
      this.aligned[channel] = 1;
    } else if (before > this.watermark) {
      return false; // Another channel holds the minimum.
    }
    return this.raiseTo(this.minimum());
  }

  /** The channel has nothing for now. @returns Whether the combined watermark rose. */
  markIdle(channel: number): boolean {
    if (this.active[channel] === 0) return false;
    return this.deactivate(channel);
  }

  /** The channel has records again; until it has caught up it does not count. */
  markActive(channel: number): void {
    const watermarkMs = this.channels[channel]!;
    if (this.active[channel] === 1 || watermarkMs === MAX_WATERMARK) return;
    this.active[channel] = 1;
    this.activeCount++;
    this.idle = false;
    if (watermarkMs >= this.watermark) this.aligned[channel] = 1;
  }

  /** Whether the channel is idle; one that has ended is not. */
  isIdle(channel: number): boolean {
    return this.active[channel] === 0 && this.channels[channel] !== MAX_WATERMARK;
  }

  /** All inputs go on from this combined watermark; called before the first element. */
  restore(watermarkMs: number): void {
    this.watermark = watermarkMs;
    this.channels.fill(watermarkMs);
  }

  private end(channel: number): boolean {
    this.channels[channel] = MAX_WATERMARK;
    this.openCount--;
    const rose = this.active[channel] === 1 && this.deactivate(channel);
    if (this.openCount > 0) return rose;
    this.idle = false;
    return this.raiseTo(MAX_WATERMARK);
  }

  private deactivate(channel: number): boolean {
    this.active[channel] = 0;
    this.aligned[channel] = 0;
    this.activeCount--;
    if (this.activeCount > 0) return this.raiseTo(this.minimum());
    this.idle = true;
    return this.raiseTo(this.maximum());
  }

  /** Smallest watermark of the aligned channels; MIN_WATERMARK when there are none. */
  private minimum(): number {
    let least = MAX_WATERMARK;
    for (let i = 0; i < this.channels.length; i++) {
      if (this.aligned[i] === 1 && this.channels[i]! < least) least = this.channels[i]!;
    }
    return least === MAX_WATERMARK ? MIN_WATERMARK : least;
  }

  /** Largest watermark of the channels that have not ended. */
  private maximum(): number {
    let largest = MIN_WATERMARK;
    for (const watermarkMs of this.channels) {
      if (watermarkMs !== MAX_WATERMARK && watermarkMs > largest) largest = watermarkMs;
    }
    return largest;
  }

  private raiseTo(watermarkMs: number): boolean {
    if (!(watermarkMs > this.watermark)) return false;
    this.watermark = watermarkMs;
    return true;
  }
}
