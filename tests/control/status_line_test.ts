import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { JobProgress } from "../../control/observed_job.ts";
import { RateMeter } from "../../control/rate_meter.ts";
import {
  formatBytes,
  formatElapsed,
  formatStatusLine,
  formatSummary,
  formatWatermark,
} from "../../control/status_line.ts";

const PROGRESS: JobProgress = {
  name: "flight delays",
  state: "running",
  recordsIn: 12_345,
  recordsOut: 678,
  recordsSkipped: 0,
  watermarkMs: Date.UTC(2001, 0, 2, 10),
  lastCheckpoint: { id: 17, sizeBytes: 1_258_291, durationMs: 35 },
  checkpointsCompleted: 17,
  checkpointsFailed: 0,
  restarts: 1,
  sources: { done: 429, total: 1_000 },
  outputs: ["out/flight-delays/"],
};
const RATES = { inPerSecond: 1_999.6, outPerSecond: 12 };

test("formatStatusLine says all that matters when there is room", () => {
  equal(
    formatStatusLine(PROGRESS, RATES, Infinity),
    "flight delays | running | 42 % | in 2,000/s (12,345) | out 12/s (678) | watermark 2001-01-02 10:00:00 | " +
      "checkpoint 17: 1.2 mb in 35 ms | restarts 1",
  );
});

test("formatStatusLine leaves out what is not known or did not happen", () => {
  const early = { ...PROGRESS, watermarkMs: undefined, lastCheckpoint: undefined, restarts: 0, sources: undefined };
  equal(
    formatStatusLine(early, RATES, Infinity),
    "flight delays | running | in 2,000/s (12,345) | out 12/s (678) | watermark none",
  );
  const troubled = { ...early, recordsSkipped: 3, checkpointsFailed: 2 };
  ok(formatStatusLine(troubled, RATES, Infinity).endsWith(" | 2 failed checkpoints | skipped 3"));
});

test("formatStatusLine shortens its words on a usual screen, then drops what matters least", () => {
  equal(
    formatStatusLine(PROGRESS, { inPerSecond: 43_210, outPerSecond: 1_200_000 }, 79),
    "42 %  in 43.2k/s  out 1.2M/s  wm 2001-01-02 10:00:00  chk 17: 1.2 mb in 35 ms",
  );
  equal(formatStatusLine(PROGRESS, RATES, 60), "42 %  in 2,000/s  out 12/s  chk 17: 1.2 mb in 35 ms");
  equal(formatStatusLine({ ...PROGRESS, state: "restarting" }, RATES, 20), "restarting  42 %");
  equal(formatStatusLine(PROGRESS, RATES, 3), "42 ");
});

test("formatStatusLine fits into any screen, on one line, whatever the name", () => {
  const anyName = fc.string({ unit: "grapheme" });
  fc.assert(fc.property(fc.integer({ min: 1, max: 200 }), anyName, (columns, name) => {
    const line = formatStatusLine({ ...PROGRESS, name: `${name}\n\x1b[31m` }, RATES, columns);
    return [...line].length <= columns && !/\p{Cc}/u.test(line);
  }));
});

test("formatStatusLine counts East Asian letters as two columns", () => {
  const progress = { ...PROGRESS, name: "航班延误" };
  const line = formatStatusLine(progress, RATES, Infinity);
  equal(formatStatusLine(progress, RATES, [...line].length + 4), line);
  ok(formatStatusLine(progress, RATES, [...line].length + 3) !== line);
});

test("formatWatermark writes UTC, none before the first and the end of the input after the last", () => {
  equal(formatWatermark(0), "1970-01-01 00:00:00");
  equal(formatWatermark(undefined), "none");
  equal(formatWatermark(-Infinity), "none");
  equal(formatWatermark(Infinity), "end of input");
  equal(formatWatermark(Number.MAX_SAFE_INTEGER), "end of input");
});

test("formatElapsed and formatBytes use the unit that people would", () => {
  const elapsed: [number, string][] = [
    [0, "0 ms"],
    [349.6, "350 ms"],
    [1_000, "1.0 s"],
    [12_345, "12.3 s"],
    [
      59_960,
      "1 min 0 s",
    ],
    [185_000, "3 min 5 s"],
    [7_380_000, "2 h 3 min"],
  ];
  for (const [durationMs, text] of elapsed) equal(formatElapsed(durationMs), text);
  const sizes: [number, string][] = [[0, "0 bytes"], [1_023, "1023 bytes"], [1_024, "1.0 kb"], [1_258_291, "1.2 mb"], [
    150 * 1_024,
    "150 kb",
  ]];
  for (const [sizeBytes, text] of sizes) equal(formatBytes(sizeBytes), text);
});

test("formatSummary tells the end, the counts, the rate, and what went wrong", () => {
  const progress: JobProgress = { ...PROGRESS, state: "finished", recordsSkipped: 3, checkpointsFailed: 1 };
  equal(
    formatSummary(progress, 12_345),
    [
      "flight delays finished in 12.3 s",
      "  records      12,345 in, 678 out, 1,000/s",
      "  checkpoints  17 completed, 1 failed",
      "  skipped      3 malformed records",
      "  restarts     1",
      "  output       out/flight-delays/",
      "",
    ].join("\n"),
  );
  const plain: JobProgress = { ...PROGRESS, state: "failed", checkpointsCompleted: 0, restarts: 0, outputs: [] };
  equal(formatSummary(plain, 0), "flight delays failed after 0 ms\n  records      12,345 in, 678 out, 0/s\n");
});

test("RateMeter averages over its window and forgets what is older", () => {
  const meter = new RateMeter(1_000);
  equal(meter.sample(0, 0, 0).inPerSecond, 0);
  equal(meter.sample(200, 100, 0).inPerSecond, 500);
  for (let atMs = 400; atMs <= 1_000; atMs += 200) meter.sample(atMs, 100, 10);
  const rates = meter.sample(1_200, 100, 20);
  // From 200 ms on: nothing came in, 20 went out.
  equal(rates.inPerSecond, 0);
  equal(rates.outPerSecond, 20);
  equal(meter.sample(1_400, 0, 0).inPerSecond, 0);
});
