/**
 * Declares where time, delays and randomness come from, so that a test or a
 * simulation can own them.
 *
 * Called by: everything that waits, measures or needs a fresh id.
 * Calls: nothing; `runtime/system_clock.ts` is the only real one.
 *
 * @module
 */

/** Takes back what `Clock.schedule` has arranged; calling it again does nothing. */
export type Cancel = () => void;

/** Time and the event loop, as the engine sees them. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  nowMs(): number;
  /** Never goes back; fractional milliseconds from an arbitrary start. Costs about 100 ns: ask once per many records. */
  monotonicMs(): number;
  /** Calls back once, at least `delayMs` (≥ 0) from now. */
  schedule(delayMs: number, callback: () => void): Cancel;
  /** Calls back in a later turn of the event loop, after I/O that is ready; costs microseconds. */
  defer(callback: () => void): void;
}

/** Randomness and identifiers. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** 32 lowercase hex digits, unique for ever. */
  id(): string;
}

/** Resolves in a later turn of the event loop: how asynchronous work gives way to records. */
export function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.defer(resolve));
}

/** Resolves after `delayMs` milliseconds. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}
