import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import {
  exponentialDelay,
  failureRate,
  fixedDelay,
  makeRestartStrategy,
  noRestart,
  type RestartSettings,
} from "../../runtime/restart_strategy.ts";

const CRASH = new Error("crash");
/** `2 * random - 1` is 0: no jitter. */
const MIDDLE = 0.5;

/** Decisions for failures at the given times: a delay in milliseconds, or "fail". */
function decisions(settings: RestartSettings, timesMs: readonly number[], random = MIDDLE): (number | "fail")[] {
  const strategy = makeRestartStrategy(settings);
  return timesMs.map((nowMs) => {
    const decision = strategy.onFailure(CRASH, nowMs, random);
    return decision.action === "fail" ? "fail" : decision.delayMs;
  });
}

const ONE_SECOND = 1_000;
const HOUR = 3_600_000;

const TABLE: readonly {
  readonly it: string;
  readonly settings: RestartSettings;
  readonly failuresAtMs: readonly number[];
  readonly expected: readonly (number | "fail")[];
}[] = [
  { it: "none fails at once", settings: noRestart(), failuresAtMs: [0, HOUR], expected: ["fail", "fail"] },
  {
    it: "fixed-delay restarts once by default, after 1 s",
    settings: fixedDelay(),
    failuresAtMs: [0, HOUR],
    expected: [ONE_SECOND, "fail"],
  },
  {
    it: "fixed-delay restarts `attempts` times, however much time passes",
    settings: fixedDelay({ attempts: 3, delayMs: 5 }),
    failuresAtMs: [0, 1, 2 * HOUR, 9 * HOUR],
    expected: [5, 5, 5, "fail"],
  },
  {
    it: "fixed-delay with 0 attempts fails at once",
    settings: fixedDelay({ attempts: 0 }),
    failuresAtMs: [0],
    expected: ["fail"],
  },
  {
    it: "fixed-delay may have attempts without end and no delay",
    settings: fixedDelay({ attempts: Infinity, delayMs: 0 }),
    failuresAtMs: [0, 0, 0, 0, 0],
    expected: [0, 0, 0, 0, 0],
  },
  {
    it: "failure-rate allows one failure a minute by default",
    settings: failureRate(),
    failuresAtMs: [0, 60_001, 120_002, 180_002],
    expected: [ONE_SECOND, ONE_SECOND, ONE_SECOND, "fail"],
  },
  {
    it: "failure-rate counts a failure exactly one interval ago",
    settings: failureRate({ maxFailuresPerInterval: 2, intervalMs: 100, delayMs: 7 }),
    failuresAtMs: [0, 50, 101, 150],
    expected: [7, 7, 7, "fail"],
  },
  {
    it: "failure-rate with 0 allowed failures fails at once",
    settings: failureRate({ maxFailuresPerInterval: 0 }),
    failuresAtMs: [0],
    expected: ["fail"],
  },
  {
    it: "failure-rate with Infinity allowed never fails",
    settings: failureRate({ maxFailuresPerInterval: Infinity, delayMs: 1 }),
    failuresAtMs: [0, 0, 0],
    expected: [1, 1, 1],
  },
  {
    it: "exponential-delay grows by 1.5 from 1 s to 1 min by default",
    settings: exponentialDelay(),
    failuresAtMs: [0, 1e5, 2e5, 3e5, 4e5, 5e5, 6e5, 7e5, 8e5, 9e5, 10e5, 11e5, 12e5],
    expected: [
      1_000,
      1_500,
      2_250,
      3_375,
      5_062.5,
      7_593.75,
      11_390.625,
      17_085.9375,
      25_628.90625,
      38_443.359375,
      57_665.0390625,
      60_000,
      60_000,
    ],
  },
  {
    it: "exponential-delay begins anew after the quiet time, counted from the restart",
    settings: exponentialDelay({ initialBackoffMs: 10, backoffMultiplier: 2, resetBackoffThresholdMs: 1_000 }),
    // Restarts at 10, then 1009 + 20 = 1029; 2028 is 999 after that, 2068 + 1000 is a whole quiet time after it.
    failuresAtMs: [0, 1_009, 2_028, 3_068],
    expected: [10, 20, 40, 10],
  },
  {
    it: "exponential-delay takes failures before the restart as one",
    settings: exponentialDelay({ initialBackoffMs: 10, backoffMultiplier: 2, attemptsBeforeResetBackoff: 2 }),
    failuresAtMs: [0, 1, 4, 10, 29, 30],
    expected: [10, 9, 6, 20, 1, "fail"],
  },
  {
    it: "exponential-delay counts attempts from 0 again after the quiet time",
    settings: exponentialDelay({
      initialBackoffMs: 10,
      backoffMultiplier: 1,
      resetBackoffThresholdMs: 100,
      attemptsBeforeResetBackoff: 2,
    }),
    failuresAtMs: [0, 50, 160, 170, 180],
    expected: [10, 10, 10, 10, "fail"],
  },
];

for (const { it, settings, failuresAtMs, expected } of TABLE) {
  test(`makeRestartStrategy() ${it}`, () => deepEqual(decisions(settings, failuresAtMs), expected));
}

test("exponentialDelay() jitter moves a delay by at most its share, and never outside first..longest", () => {
  const settings = exponentialDelay({
    initialBackoffMs: 100,
    maxBackoffMs: 400,
    backoffMultiplier: 2,
    jitterFactor: 0.25,
  });
  deepEqual(decisions(settings, [0, 1e4, 2e4, 3e4], 0), [100, 150, 300, 300]);
  deepEqual(decisions(settings, [0, 1e4, 2e4, 3e4], 1 - Number.EPSILON).map((delay) => Math.round(Number(delay))), [
    125,
    250,
    400,
    400,
  ]);
  deepEqual(decisions(settings, [0, 1e4, 2e4, 3e4], 0.75), [112.5, 225, 400, 400]);
});

test("exponentialDelay() delays stay within first..longest for any times and randomness", () => {
  const failures = fc.array(fc.tuple(fc.nat(1e6), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })));
  fc.assert(fc.property(failures, fc.double({ min: 0, max: 1, noNaN: true }), (gaps, jitterFactor) => {
    const settings = exponentialDelay({ initialBackoffMs: 10, maxBackoffMs: 1_000, jitterFactor });
    const strategy = makeRestartStrategy(settings);
    let nowMs = 0;
    for (const [gapMs, random] of gaps) {
      const decision = strategy.onFailure(CRASH, nowMs, random);
      if (decision.action !== "restart") throw new Error(decision.reason);
      ok(decision.delayMs >= 10 && decision.delayMs <= 1_000, `delay ${decision.delayMs}`);
      nowMs += decision.delayMs + gapMs;
    }
  }));
});

const ALL: readonly RestartSettings[] = [
  noRestart(),
  fixedDelay({ attempts: 1 }),
  failureRate({ maxFailuresPerInterval: 1 }),
  exponentialDelay({ attemptsBeforeResetBackoff: 1 }),
];

for (const settings of ALL) {
  test(`makeRestartStrategy() ${settings.type} never restarts after an error that would come again`, () => {
    const strategy = makeRestartStrategy(settings);
    const useless = [
      new StreamError("invalid", "Cannot run: wrong"),
      new StreamError("corrupt", "Cannot restore: damaged"),
      new SnapshotCorruptError("chk-1/a", { reason: "crc32 differs" }),
    ];
    for (const error of useless) equal(strategy.onFailure(error, 0, MIDDLE).action, "fail");
    // They have used no attempt up.
    const next = strategy.onFailure(new StreamError("unavailable", "Cannot write: full"), 0, MIDDLE);
    equal(next.action, settings.type === "none" ? "fail" : "restart");
  });

  test(`makeRestartStrategy() ${settings.type} treats whatever else is thrown alike`, () => {
    const first = [CRASH, "text", undefined, null, new RangeError("r"), new StreamError("unavailable", "u")]
      .map((error) => makeRestartStrategy(settings).onFailure(error, 0, MIDDLE).action);
    equal(new Set(first).size, 1);
  });

  test(`makeRestartStrategy() ${settings.type} remembers for itself alone`, () => {
    const twice = [makeRestartStrategy(settings), makeRestartStrategy(settings)]
      .map((strategy) => strategy.onFailure(CRASH, 0, MIDDLE));
    deepEqual(twice[0], twice[1]);
  });
}

test("makeRestartStrategy() says why it gives up", () => {
  const strategy = makeRestartStrategy(fixedDelay({ attempts: 2, delayMs: 0 }));
  strategy.onFailure(CRASH, 0, MIDDLE);
  strategy.onFailure(CRASH, 1, MIDDLE);
  deepEqual(strategy.onFailure(CRASH, 2, MIDDLE), {
    action: "fail",
    reason: "restart strategy fixed-delay: all of its restarts (2) have been made",
  });
});

test("restart settings outside their range are refused with the name and the range", () => {
  throws(() => fixedDelay({ attempts: -1 }), /attempts must be an integer ≥ 0 or Infinity, current value is -1/);
  throws(() => fixedDelay({ attempts: 1.5 }), RangeError);
  throws(() => fixedDelay({ delayMs: Infinity }), /delayMs must be a finite number ≥ 0, current value is Infinity/);
  throws(() => failureRate({ intervalMs: 0 }), /intervalMs must be a finite number > 0/);
  throws(() => failureRate({ maxFailuresPerInterval: NaN }), RangeError);
  throws(() => exponentialDelay({ initialBackoffMs: 0 }), RangeError);
  throws(() => exponentialDelay({ initialBackoffMs: 10, maxBackoffMs: 9 }), /maxBackoffMs must be .* ≥ 10/);
  throws(() => exponentialDelay({ backoffMultiplier: 0.9 }), RangeError);
  throws(() => exponentialDelay({ jitterFactor: 1.1 }), /jitterFactor must be in 0\.\.1/);
  throws(() => makeRestartStrategy({ type: "fixed-delay", attempts: 1, delayMs: -5 }), RangeError);
});
