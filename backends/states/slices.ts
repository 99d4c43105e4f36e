/**
 * Cuts asynchronous work into slices of a few milliseconds, with records between them.
 *
 * Called by: the snapshots of the backends.
 * Calls: core/clock.ts.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";

/**
 * Length of a slice, milliseconds: a fifth of what it and the records between two slices take together (see
 * runtime/host.ts), so that most of the throughput is left. Longer ones would show as gaps between records.
 */
const SLICE_MS = 3;

/** Records get at least so many times as long as a slice before the next one. */
const RECORDS_SHARE = 4;

/** How work and records share the thread. */
export interface Share {
  /** Length of a slice, milliseconds. */
  readonly sliceMs: number;
  /** What records get before the next one, milliseconds. */
  readonly restMs: number;
}

/** Of a savepoint, for which somebody waits: a quarter. */
export const SAVEPOINT_SHARE: Share = { sliceMs: 4, restMs: 12 };
/** Of other work: a fifth. */
const USUAL_SHARE: Share = { sliceMs: SLICE_MS, restMs: SLICE_MS * RECORDS_SHARE };
/** Turns of the event loop that are shorter on average have no records in them: nobody needs to be waited for. */
const SHORTEST_ROUND_MS = 1.5;

/**
 * Calls back when records have had their share after a slice. Their rounds may be much shorter than that (see
 * runtime/host.ts).
 */
export function giveWay(clock: Clock, restMs: number, callback: () => void): void {
  const startMs = clock.monotonicMs();
  let turns = 0;
  const turn = () => {
    const passedMs = clock.monotonicMs() - startMs;
    if (passedMs < restMs && passedMs >= ++turns * SHORTEST_ROUND_MS) clock.defer(turn);
    else callback();
  };
  clock.defer(turn);
}

/** The slices of one piece of work. */
export class Slices {
  private startMs: number;
  private failure: Error | undefined;

  constructor(private readonly clock: Clock, private readonly share: Share = USUAL_SHARE) {
    this.startMs = clock.monotonicMs();
  }

  /** Whether the slice has lasted long enough. Ask once per some hundred rows. */
  isDue(): boolean {
    return this.clock.monotonicMs() - this.startMs >= this.share.sliceMs;
  }

  /** Gives way to records. @throws What `stop` was given. */
  async pause(): Promise<void> {
    await new Promise<void>((resolve) => giveWay(this.clock, this.share.restMs, resolve));
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

  /** Whether `stop` was called. */
  get isStopped(): boolean {
    return this.failure !== undefined;
  }

  /** @throws What `stop` was given. */
  check(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}
