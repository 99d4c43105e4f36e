import { deepEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { Configuration } from "../../core/config.ts";
import { restartSettingsOf } from "../../runtime/restart_settings.ts";
import {
  exponentialDelay,
  failureRate,
  fixedDelay,
  noRestart,
  type RestartSettings,
} from "../../runtime/restart_strategy.ts";

const TABLE: readonly {
  readonly it: string;
  readonly configured: Record<string, string>;
  readonly isCheckpointing: boolean;
  readonly expected: RestartSettings;
}[] = [
  {
    it: "restarts with growing delays when checkpoints are on",
    configured: {},
    isCheckpointing: true,
    expected: exponentialDelay(),
  },
  { it: "does not restart when they are off", configured: {}, isCheckpointing: false, expected: noRestart() },
  {
    it: "takes the configured type in either case",
    configured: { "restart-strategy.type": "fixed-delay" },
    isCheckpointing: false,
    expected: fixedDelay(),
  },
  {
    it: "takes none although checkpoints are on",
    configured: { "restart-strategy": "off" },
    isCheckpointing: true,
    expected: noRestart(),
  },
  {
    it: "reads fixed-delay",
    configured: {
      "restart-strategy.type": "fixed-delay",
      "restart-strategy.fixed-delay.attempts": "7",
      "restart-strategy.fixed-delay.delay": "20 ms",
    },
    isCheckpointing: true,
    expected: fixedDelay({ attempts: 7, delayMs: 20 }),
  },
  {
    it: "reads failure-rate",
    configured: {
      "restart-strategy.type": "failure-rate",
      "restart-strategy.failure-rate.max-failures-per-interval": "3",
      "restart-strategy.failure-rate.failure-rate-interval": "5 min",
      "restart-strategy.failure-rate.delay": "0 s",
    },
    isCheckpointing: true,
    expected: failureRate({ maxFailuresPerInterval: 3, intervalMs: 300_000, delayMs: 0 }),
  },
  {
    it: "reads exponential-delay",
    configured: {
      "restart-strategy.exponential-delay.initial-backoff": "2 s",
      "restart-strategy.exponential-delay.max-backoff": "3 min",
      "restart-strategy.exponential-delay.backoff-multiplier": "2.5",
      "restart-strategy.exponential-delay.reset-backoff-threshold": "2 h",
      "restart-strategy.exponential-delay.jitter-factor": "0",
      "restart-strategy.exponential-delay.attempts-before-reset-backoff": "9",
    },
    isCheckpointing: true,
    expected: exponentialDelay({
      initialBackoffMs: 2_000,
      maxBackoffMs: 180_000,
      backoffMultiplier: 2.5,
      resetBackoffThresholdMs: 7_200_000,
      jitterFactor: 0,
      attemptsBeforeResetBackoff: 9,
    }),
  },
];

for (const { it, configured, isCheckpointing, expected } of TABLE) {
  test(`restartSettingsOf() ${it}`, () => {
    deepEqual(restartSettingsOf(Configuration.of(configured), isCheckpointing), expected);
  });
}

test("restartSettingsOf() refuses a longest backoff that is shorter than the first, naming both keys", () => {
  const configuration = Configuration.of({ "restart-strategy.exponential-delay.initial-backoff": "2 min" });
  throws(() => restartSettingsOf(configuration, true), {
    kind: "invalid",
    message: /max-backoff is 60000 ms \(default\), it must be at least .*initial-backoff, 120000 ms \(code\)/,
  });
});
