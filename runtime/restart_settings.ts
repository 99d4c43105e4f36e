/**
 * Reads the restart strategy of a job from its configuration.
 *
 * Called by: runtime/ (once per execution).
 * Calls: core/config.ts, core/errors.ts, runtime/options.ts, runtime/restart_strategy.ts.
 *
 * @module
 */
import type { Configuration } from "../core/config.ts";
import { StreamError } from "../core/errors.ts";
import {
  EXPONENTIAL_DELAY_ATTEMPTS,
  EXPONENTIAL_DELAY_INITIAL,
  EXPONENTIAL_DELAY_JITTER,
  EXPONENTIAL_DELAY_MAX,
  EXPONENTIAL_DELAY_MULTIPLIER,
  EXPONENTIAL_DELAY_RESET,
  FAILURE_RATE_DELAY,
  FAILURE_RATE_INTERVAL,
  FAILURE_RATE_MAX_FAILURES,
  FIXED_DELAY_ATTEMPTS,
  FIXED_DELAY_DELAY,
  RESTART_STRATEGY,
} from "./options.ts";
import { exponentialDelay, failureRate, fixedDelay, noRestart, type RestartSettings } from "./restart_strategy.ts";

/**
 * The settings that `restart-strategy.*` describe.
 *
 * @param isCheckpointing Whether checkpoints are on: without them a restart would begin the job anew.
 * @returns With no type configured: exponential-delay with checkpoints, none without.
 * @throws {StreamError} "invalid" if a value is not what its option wants, or the longest backoff is shorter than the first.
 */
export function restartSettingsOf(configuration: Configuration, isCheckpointing: boolean): RestartSettings {
  switch (configuration.get(RESTART_STRATEGY) ?? (isCheckpointing ? "exponential-delay" : "none")) {
    case "none":
      return noRestart();
    case "fixed-delay":
      return fixedDelay({
        attempts: configuration.get(FIXED_DELAY_ATTEMPTS),
        delayMs: configuration.get(FIXED_DELAY_DELAY),
      });
    case "failure-rate":
      return failureRate({
        maxFailuresPerInterval: configuration.get(FAILURE_RATE_MAX_FAILURES),
        intervalMs: configuration.get(FAILURE_RATE_INTERVAL),
        delayMs: configuration.get(FAILURE_RATE_DELAY),
      });
    case "exponential-delay":
      checkBackoffs(configuration);
      return exponentialDelay({
        initialBackoffMs: configuration.get(EXPONENTIAL_DELAY_INITIAL),
        maxBackoffMs: configuration.get(EXPONENTIAL_DELAY_MAX),
        backoffMultiplier: configuration.get(EXPONENTIAL_DELAY_MULTIPLIER),
        resetBackoffThresholdMs: configuration.get(EXPONENTIAL_DELAY_RESET),
        jitterFactor: configuration.get(EXPONENTIAL_DELAY_JITTER),
        attemptsBeforeResetBackoff: configuration.get(EXPONENTIAL_DELAY_ATTEMPTS),
      });
  }
}

function checkBackoffs(configuration: Configuration): void {
  const initialMs = configuration.get(EXPONENTIAL_DELAY_INITIAL);
  const maxMs = configuration.get(EXPONENTIAL_DELAY_MAX);
  if (maxMs >= initialMs) return;
  throw new StreamError(
    "invalid",
    `Cannot use restart strategy "exponential-delay": ${EXPONENTIAL_DELAY_MAX.key} is ${maxMs} ms ` +
      `(${configuration.originOf(EXPONENTIAL_DELAY_MAX)}), it must be at least ${EXPONENTIAL_DELAY_INITIAL.key}, ` +
      `${initialMs} ms (${configuration.originOf(EXPONENTIAL_DELAY_INITIAL)}); raise the one or lower the other`,
  );
}
