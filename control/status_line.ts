/**
 * Turns a job's progress into the line, and the summary, that a person reads.
 *
 * Called by: control/terminal.ts.
 * Calls: nothing but types.
 *
 * @module
 */
import type { JobEnd, JobProgress, JobState } from "./observed_job.ts";

/** Records a second, of late. */
export interface Rates {
  /** That sources read. */
  readonly inPerSecond: number;
  /** That sinks are given. */
  readonly outPerSecond: number;
}

/** A piece of the line; when even the short line is too long, the pieces with the highest rank go first. */
interface Piece {
  readonly text: string;
  readonly short: string;
  readonly rank: number;
}

/** The largest time that has a date, milliseconds since the epoch. */
const LAST_DATE_MS = 8_640_000_000_000_000;

const SEPARATOR = " | ";
const SHORT_SEPARATOR = "  ";

/**
 * One line without a line break that fits into `columns`: words are shortened, then what matters least is left out, and
 * what remains is cut.
 *
 * @param columns Columns of the screen, > 0; Infinity for no limit.
 */
export function formatStatusLine(progress: JobProgress, rates: Rates, columns: number): string {
  let pieces = piecesOf(progress, rates);
  const line = pieces.map(({ text }) => text).join(SEPARATOR);
  if (columnsOf(line) <= columns) return line;
  while (pieces.length > 1 && columnsOf(shortLine(pieces)) > columns) {
    const last = Math.max(...pieces.map(({ rank }) => rank));
    pieces = pieces.filter(({ rank }) => rank !== last);
  }
  return cut(shortLine(pieces), columns);
}

/**
 * What is printed when a job has ended: several lines, each with its line break.
 *
 * @param durationMs Time from the start to the end, milliseconds.
 * @param end Absent: it has failed.
 */
export function formatSummary(progress: JobProgress, durationMs: number, end?: JobEnd): string {
  const perSecond = durationMs > 0 ? Math.round(progress.recordsIn / (durationMs / 1_000)) : 0;
  const rows: [string, string][] = [
    ["records", `${count(progress.recordsIn)} in, ${count(progress.recordsOut)} out, ${count(perSecond)}/s`],
  ];
  if (progress.checkpointsCompleted + progress.checkpointsFailed > 0) {
    const failed = progress.checkpointsFailed;
    rows.push(["checkpoints", `${count(progress.checkpointsCompleted)} completed, ${count(failed)} failed`]);
  }
  if (progress.recordsSkipped > 0) rows.push(["skipped", `${count(progress.recordsSkipped)} malformed records`]);
  if (progress.restarts > 0) rows.push(["restarts", count(progress.restarts)]);
  if (end !== undefined && end.savepointPath !== null) rows.push(["savepoint", printable(end.savepointPath)]);
  for (const output of progress.outputs) rows.push(["output", printable(output)]);
  const title = `${printable(progress.name)} ${endOf(progress.state)} ${formatElapsed(durationMs)}`;
  return [title, ...rows.map(([label, text]) => `  ${label.padEnd(13)}${text}`), ""].join("\n");
}

/** 350 → "350 ms", 12_345 → "12.3 s", 185_000 → "3 min 5 s", 7_380_000 → "2 h 3 min". */
export function formatElapsed(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 59_950) return `${(durationMs / 1_000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

/** A watermark as UTC time: "2001-01-02 10:00:00"; one past every date is the end of the input. */
export function formatWatermark(watermarkMs: number | undefined): string {
  if (watermarkMs === undefined || watermarkMs < -LAST_DATE_MS) return "none";
  if (watermarkMs > LAST_DATE_MS) return "end of input";
  return new Date(watermarkMs).toISOString().slice(0, -5).replace("T", " ");
}

/** 1_258_291 → "1.2 mb", 100 → "100 bytes". */
export function formatBytes(sizeBytes: number): string {
  const units = ["kb", "mb", "gb", "tb"];
  let size = sizeBytes;
  let unit = "bytes";
  for (const next of units) {
    if (size < 1_024) break;
    size /= 1_024;
    unit = next;
  }
  return `${unit === "bytes" || size >= 100 ? Math.round(size) : size.toFixed(1)} ${unit}`;
}

function piecesOf(progress: JobProgress, { inPerSecond, outPerSecond }: Rates): Piece[] {
  const { state, sources, watermarkMs, lastCheckpoint, restarts, recordsIn, recordsOut, recordsSkipped } = progress;
  const name = printable(progress.name);
  // That it runs goes without saying.
  const pieces: Piece[] = [{ text: name, short: name, rank: 9 }, piece(state, state === "running" ? 8 : 1)];
  if (sources !== undefined && sources.total > 0) {
    // Rounded down: 100 % means that all is read.
    pieces.push(piece(`${Math.floor(Math.min(1, sources.done / sources.total) * 100)} %`, 2));
  }
  const incoming = `in ${count(Math.round(inPerSecond))}/s (${count(recordsIn)})`;
  const outgoing = `out ${count(Math.round(outPerSecond))}/s (${count(recordsOut)})`;
  const watermark = formatWatermark(watermarkMs);
  pieces.push({ text: incoming, short: `in ${shortCount(inPerSecond)}/s`, rank: 3 });
  pieces.push({ text: outgoing, short: `out ${shortCount(outPerSecond)}/s`, rank: 4 });
  pieces.push({ text: `watermark ${watermark}`, short: `wm ${watermark}`, rank: 6 });
  if (lastCheckpoint !== undefined) {
    const { id, sizeBytes, durationMs } = lastCheckpoint;
    const done = `${id}: ${formatBytes(sizeBytes)} in ${formatElapsed(durationMs)}`;
    pieces.push({ text: `checkpoint ${done}`, short: `chk ${done}`, rank: 5 });
  }
  const failed = progress.checkpointsFailed;
  if (failed > 0) {
    pieces.push({ text: `${count(failed)} failed checkpoints`, short: `${count(failed)} chk failed`, rank: 7 });
  }
  if (restarts > 0) pieces.push(piece(`restarts ${count(restarts)}`, 7));
  if (recordsSkipped > 0) pieces.push(piece(`skipped ${count(recordsSkipped)}`, 7));
  return pieces;
}

function piece(text: string, rank: number): Piece {
  return { text, short: text, rank };
}

function shortLine(pieces: readonly Piece[]): string {
  return pieces.map(({ short }) => short).join(SHORT_SEPARATOR);
}

function endOf(state: JobState): string {
  if (state === "finished") return "finished in";
  return state === "stopped" || state === "cancelled" || state === "failed" ? `${state} after` : `${state} for`;
}

/** 1234567 → "1,234,567". */
function count(number: number): string {
  return String(number).replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
}

/** 1_234.5 → "1,235", 43_210 → "43.2k", 4_321_000 → "4.3M". */
function shortCount(number: number): string {
  if (number >= 999_950) return `${(number / 1e6).toFixed(1)}M`;
  return number >= 10_000 ? `${(number / 1e3).toFixed(1)}k` : count(Math.round(number));
}

/** Line breaks and escape sequences would break the line, or the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ").trim();
}

/** Columns that a text takes: East Asian letters and emoji take two. */
function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOfCharacter(character);
  return columns;
}

function columnsOfCharacter(character: string): number {
  return (character.codePointAt(0) ?? 0) >= 0x1100 ? 2 : 1;
}

function cut(text: string, columns: number): string {
  let kept = "";
  let used = 0;
  for (const character of text) {
    used += columnsOfCharacter(character);
    if (used > columns) break;
    kept += character;
  }
  return kept;
}
