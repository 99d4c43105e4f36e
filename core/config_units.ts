/**
 * Reads and writes durations ("10 min") and sizes ("64 mb") as people spell them.
 *
 * Called by: core/config_option.ts, control/ for display.
 * Calls: nothing.
 *
 * @module
 */

/** Every accepted spelling of a unit of time, in milliseconds. */
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  milli: 1,
  millis: 1,
  millisecond: 1,
  milliseconds: 1,
  s: 1_000,
  sec: 1_000,
  secs: 1_000,
  second: 1_000,
  seconds: 1_000,
  m: 60_000,
  min: 60_000,
  mins: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
};

/** Every accepted spelling of a unit of memory, in bytes: powers of 1,024, as Flink counts. */
const SIZE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  byte: 1,
  bytes: 1,
  k: 1024,
  kb: 1024,
  kib: 1024,
  kibibytes: 1024,
  m: 1024 ** 2,
  mb: 1024 ** 2,
  mib: 1024 ** 2,
  mebibytes: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1024 ** 3,
  gib: 1024 ** 3,
  gibibytes: 1024 ** 3,
  t: 1024 ** 4,
  tb: 1024 ** 4,
  tib: 1024 ** 4,
  tebibytes: 1024 ** 4,
};

/** Milliseconds of "10 min", "500 ms", "1.5 s", "2 h", "3 d" or a plain number; undefined for anything else. */
export function parseDurationMs(text: string): number | undefined {
  return parseQuantity(text, DURATION_UNITS);
}

/** Bytes of "64 mb", "20 kb", "1g" or a plain number; undefined for anything else. */
export function parseSizeBytes(text: string): number | undefined {
  return parseQuantity(text, SIZE_UNITS);
}

/** The shortest exact spelling: 600000 → "10 min", 90000 → "90 s", 0 → "0 ms". */
export function formatDuration(durationMs: number): string {
  return formatQuantity(durationMs, [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1_000]], "ms");
}

/** The shortest exact spelling: 20480 → "20 kb", 1000 → "1000 bytes". */
export function formatSize(sizeBytes: number): string {
  return formatQuantity(sizeBytes, [["tb", 1024 ** 4], ["gb", 1024 ** 3], ["mb", 1024 ** 2], ["kb", 1024]], "bytes");
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, digits = "", unit = ""] = match;
  const name = unit.toLowerCase();
  const factor = unit === "" ? 1 : Object.hasOwn(units, name) ? units[name] : undefined;
  if (factor === undefined) return undefined;
  const quantity = Number(digits) * factor;
  return Number.isSafeInteger(quantity) ? quantity : undefined;
}

function formatQuantity(quantity: number, units: readonly (readonly [string, number])[], smallest: string): string {
  for (const [unit, factor] of units) {
    if (quantity !== 0 && quantity % factor === 0) return `${quantity / factor} ${unit}`;
  }
  return `${quantity} ${smallest}`;
}
