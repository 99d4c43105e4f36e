/**
 * Cuts asynchronous work into slices of a few milliseconds, with records between them.
 *
 * Called by: the snapshots of the backends.
 * Calls: core/clock.ts.
 *
 * @module
 */
import { type Clock, pause } from "../../core/clock.ts";

/**
 * Length of a slice, milliseconds: a fifth of what it and the records between two slices take together (see
 * runtime/host.ts), so that most of the throughput is left. Longer ones would show as gaps between records.
 */
const SLICE_MS = 3;

/** The slices of one piece of work. */
export class Slices {
  private startMs: number;
  private failure: Error | undefined;

  /** @param sliceMs Length of a slice, milliseconds. */
  constructor(private readonly clock: Clock, private readonly sliceMs: number = SLICE_MS) {
    this.startMs = clock.monotonicMs();
  }

  /** Whether the slice has lasted long enough. Ask once per some hundred rows. */
  isDue(): boolean {
    return this.clock.monotonicMs() - this.startMs >= this.sliceMs;
  }

  /** Gives way to records. @throws What `stop` was given. */
  async pause(): Promise<void> {
    await pause(this.clock);
    this.restart();
  }

  /** Starts a slice after a wait of another kind. @throws What `stop` was given. */
  restart(): void {
    this.check();
    this.startMs = this.clock.monotonicMs();
  }

  /** Makes every later `pause` and `check` throw. */
  stop(reason: Error): void {
    this.failure ??= reason;
  }

  /** @throws What `stop` was given. */
  check(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}
