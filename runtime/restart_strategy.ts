/**
 * Decides after each failure of a job whether it is restarted, and after what delay.
 * Pure: time and randomness are arguments, the caller waits and restarts.
 *
 * Called by: runtime/ (one strategy per execution, asked once per failed attempt), users (the settings).
 * Calls: core/errors.ts.
 *
 * Invariants:
 * - an error that would come again (a `StreamError` of kind `invalid` or `corrupt`) is never followed by a restart,
 *   and does not count as an attempt;
 * - a delay is at least 0 and finite.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";

/** What is done after one failure. */
export type RestartDecision =
  | { readonly action: "restart"; readonly delayMs: number }
  | { readonly action: "fail"; readonly reason: string };

/** Remembers the failures of one execution. */
export interface RestartStrategy {
  /**
   * Notes a failure and decides.
   *
   * @param error What made the attempt fail.
   * @param nowMs Milliseconds from any fixed start; never less than in the call before.
   * @param random Uniform in [0, 1); only jitter uses it.
   */
  onFailure(error: unknown, nowMs: number, random: number): RestartDecision;
}

/** The first failure ends the job. */
export interface NoRestartSettings {
  /** Discriminant. */
  readonly type: "none";
}

/** A number of restarts, each after the same delay. */
export interface FixedDelaySettings {
  /** Discriminant. */
  readonly type: "fixed-delay";
  /** Restarts before the job fails; an integer ≥ 0 or Infinity. */
  readonly attempts: number;
  /** Milliseconds, ≥ 0. */
  readonly delayMs: number;
}

/** Restarts until failures come too fast. */
export interface FailureRateSettings {
  /** Discriminant. */
  readonly type: "failure-rate";
  /** Failures that any interval may hold; an integer ≥ 0 or Infinity. */
  readonly maxFailuresPerInterval: number;
  /** Milliseconds, > 0. */
  readonly intervalMs: number;
  /** Milliseconds, ≥ 0. */
  readonly delayMs: number;
}

/** Restarts after delays that grow with each failure and begin anew after a quiet time. */
export interface ExponentialDelaySettings {
  /** Discriminant. */
  readonly type: "exponential-delay";
  /** First and shortest delay, milliseconds, > 0. */
  readonly initialBackoffMs: number;
  /** Longest delay, milliseconds, ≥ the initial one. */
  readonly maxBackoffMs: number;
  /** Growth from one failure to the next, ≥ 1. */
  readonly backoffMultiplier: number;
  /** Time without a failure after which delays and attempts begin anew, milliseconds, > 0. */
  readonly resetBackoffThresholdMs: number;
  /** Largest random share by which a delay is made longer or shorter, 0..1. */
  readonly jitterFactor: number;
  /** Restarts before the job fails, unless a quiet time comes between; an integer ≥ 0 or Infinity. */
  readonly attemptsBeforeResetBackoff: number;
}

/** Settings of any restart strategy. */
export type RestartSettings =
  | NoRestartSettings
  | FixedDelaySettings
  | FailureRateSettings
  | ExponentialDelaySettings;

/** The first failure ends the job: the default without checkpoints. */
export function noRestart(): NoRestartSettings {
  return Object.freeze({ type: "none" as const });
}

/**
 * Restarts a number of times, each after the same delay.
 *
 * @example
 * ```ts
 * import { fixedDelay, StreamEnvironment } from "../mod.ts";
 *
 * StreamEnvironment.create({ argv: [], restart: fixedDelay({ attempts: 3, delayMs: 500 }) });
 * ```
 *
 * @param settings `attempts` 1 and `delayMs` 1,000 when absent.
 * @throws {RangeError} If a value is outside its range.
 */
export function fixedDelay(settings: Partial<Omit<FixedDelaySettings, "type">> = {}): FixedDelaySettings {
  const { attempts = 1, delayMs = 1_000 } = settings;
  return Object.freeze({
    type: "fixed-delay" as const,
    attempts: checkCount("attempts", attempts),
    delayMs: checkAtLeast("delayMs", delayMs, 0),
  });
}

/**
 * Restarts as long as no interval holds more failures than allowed.
 *
 * @param settings `maxFailuresPerInterval` 1, `intervalMs` 60,000 and `delayMs` 1,000 when absent.
 * @throws {RangeError} If a value is outside its range.
 */
export function failureRate(settings: Partial<Omit<FailureRateSettings, "type">> = {}): FailureRateSettings {
  const { maxFailuresPerInterval = 1, intervalMs = 60_000, delayMs = 1_000 } = settings;
  return Object.freeze({
    type: "failure-rate" as const,
    maxFailuresPerInterval: checkCount("maxFailuresPerInterval", maxFailuresPerInterval),
    intervalMs: checkPositive("intervalMs", intervalMs),
    delayMs: checkAtLeast("delayMs", delayMs, 0),
  });
}

/**
 * Restarts after delays that grow: the default with checkpoints.
 *
 * @param settings When absent: from 1,000 to 60,000 ms, growing by 1.5, ± 0.1, anew after an hour, without end.
 * @throws {RangeError} If a value is outside its range, or the longest delay is shorter than the first.
 */
export function exponentialDelay(
  settings: Partial<Omit<ExponentialDelaySettings, "type">> = {},
): ExponentialDelaySettings {
  const {
    initialBackoffMs = 1_000,
    maxBackoffMs = 60_000,
    backoffMultiplier = 1.5,
    resetBackoffThresholdMs = 3_600_000,
    jitterFactor = 0.1,
    attemptsBeforeResetBackoff = Infinity,
  } = settings;
  if (!(jitterFactor >= 0 && jitterFactor <= 1)) throw outOfRange("jitterFactor", jitterFactor, "in 0..1");
  checkPositive("initialBackoffMs", initialBackoffMs);
  return Object.freeze({
    type: "exponential-delay" as const,
    initialBackoffMs,
    maxBackoffMs: checkAtLeast("maxBackoffMs", maxBackoffMs, initialBackoffMs),
    backoffMultiplier: checkAtLeast("backoffMultiplier", backoffMultiplier, 1),
    resetBackoffThresholdMs: checkPositive("resetBackoffThresholdMs", resetBackoffThresholdMs),
    jitterFactor,
    attemptsBeforeResetBackoff: checkCount("attemptsBeforeResetBackoff", attemptsBeforeResetBackoff),
  });
}

/**
 * Makes the strategy that settings describe, with no failures noted yet.
 *
 * Source: same decisions as Flink 1.19's `FixedDelayRestartBackoffTimeStrategy`,
 * `FailureRateRestartBackoffTimeStrategy` and `ExponentialDelayRestartBackoffTimeStrategy`.
 *
 * @throws {RangeError} If a value is outside its range.
 */
export function makeRestartStrategy(settings: RestartSettings): RestartStrategy {
  switch (settings.type) {
    case "none":
      return new NoRestart();
    case "fixed-delay":
      return new FixedDelay(fixedDelay(settings));
    case "failure-rate":
      return new FailureRate(failureRate(settings));
    case "exponential-delay":
      return new ExponentialDelay(exponentialDelay(settings));
  }
}

/** Says why a restart cannot help against an error; undefined when it may. */
function whyRestartIsUseless(error: unknown): string | undefined {
  if (!(error instanceof StreamError)) return undefined;
  if (error.kind === "invalid") return "the program or its configuration must be changed, a restart would fail again";
  if (error.kind === "corrupt") return "what is stored is damaged, a restart would read it again";
  return undefined;
}

function fail(reason: string): RestartDecision {
  return { action: "fail", reason };
}

class NoRestart implements RestartStrategy {
  onFailure(error: unknown): RestartDecision {
    return fail(whyRestartIsUseless(error) ?? "restart strategy none: no restart is allowed");
  }
}

class FixedDelay implements RestartStrategy {
  #failures = 0;

  constructor(readonly settings: FixedDelaySettings) {}

  onFailure(error: unknown): RestartDecision {
    const useless = whyRestartIsUseless(error);
    if (useless !== undefined) return fail(useless);
    const { attempts, delayMs } = this.settings;
    this.#failures++;
    if (this.#failures <= attempts) return { action: "restart", delayMs };
    return fail(`restart strategy fixed-delay: all of its restarts (${attempts}) have been made`);
  }
}

class FailureRate implements RestartStrategy {
  /** Times of the failures that an interval ending now can hold, oldest first; at most max + 1. */
  #failureTimesMs: number[] = [];

  constructor(readonly settings: FailureRateSettings) {}

  onFailure(error: unknown, nowMs: number): RestartDecision {
    const useless = whyRestartIsUseless(error);
    if (useless !== undefined) return fail(useless);
    const { maxFailuresPerInterval, intervalMs, delayMs } = this.settings;
    if (maxFailuresPerInterval === Infinity) return { action: "restart", delayMs };
    // A failure exactly one interval ago still belongs to the interval.
    this.#failureTimesMs = this.#failureTimesMs.filter((timeMs) => nowMs - timeMs <= intervalMs);
    this.#failureTimesMs.push(nowMs);
    if (this.#failureTimesMs.length <= maxFailuresPerInterval) return { action: "restart", delayMs };
    return fail(
      `restart strategy failure-rate: ${this.#failureTimesMs.length} failures within ${intervalMs} ms, ` +
        `${maxFailuresPerInterval} are allowed`,
    );
  }
}

class ExponentialDelay implements RestartStrategy {
  #backoffMs: number;
  #attempts = 0;
  /** When the restart that was decided on last begins. */
  #restartAtMs = -Infinity;

  constructor(readonly settings: ExponentialDelaySettings) {
    this.#backoffMs = settings.initialBackoffMs;
  }

  onFailure(error: unknown, nowMs: number, random: number): RestartDecision {
    const useless = whyRestartIsUseless(error);
    if (useless !== undefined) return fail(useless);
    // Failures before the restart have one cause: they neither count nor move it.
    if (nowMs < this.#restartAtMs) return { action: "restart", delayMs: this.#restartAtMs - nowMs };

    const { attemptsBeforeResetBackoff, backoffMultiplier, initialBackoffMs, maxBackoffMs } = this.settings;
    if (nowMs - this.#restartAtMs >= this.settings.resetBackoffThresholdMs) {
      this.#backoffMs = initialBackoffMs;
      this.#attempts = 0;
    }
    this.#attempts++;
    if (this.#attempts > attemptsBeforeResetBackoff) {
      return fail(
        `restart strategy exponential-delay: all of its restarts (${attemptsBeforeResetBackoff}) have been made ` +
          `without ${this.settings.resetBackoffThresholdMs} ms of quiet between`,
      );
    }
    const jitterMs = this.#backoffMs * this.settings.jitterFactor * (2 * random - 1);
    const delayMs = Math.min(Math.max(this.#backoffMs + jitterMs, initialBackoffMs), maxBackoffMs);
    this.#backoffMs = Math.min(this.#backoffMs * backoffMultiplier, maxBackoffMs);
    this.#restartAtMs = nowMs + delayMs;
    return { action: "restart", delayMs };
  }
}

function outOfRange(name: string, value: number, range: string): RangeError {
  return new RangeError(`Cannot make a restart strategy: ${name} must be ${range}, current value is ${value}`);
}

function checkCount(name: string, value: number): number {
  if (value === Infinity || (Number.isSafeInteger(value) && value >= 0)) return value;
  throw outOfRange(name, value, "an integer ≥ 0 or Infinity");
}

function checkAtLeast(name: string, value: number, least: number): number {
  if (Number.isFinite(value) && value >= least) return value;
  throw outOfRange(name, value, `a finite number ≥ ${least}`);
}

function checkPositive(name: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value;
  throw outOfRange(name, value, "a finite number > 0");
}
