/**
 * Turns a job's progress into the line, and the summary, that a person reads.
 *
 * Called by: control/terminal.ts.
 * Calls: nothing but types.
 *
 * @module
 */
import type { CheckpointGlance, JobProgress, JobState } from "./observed_job.ts";

/** Records a second, of late. */
export interface Rates {
  readonly inPerSecond: number;
  readonly outPerSecond: number;
}

/** A piece of the line; when the line is too long, the pieces with the highest rank go first. */
interface Piece {
  readonly text: string;
  readonly rank: number;
}

/** The largest time that has a date, milliseconds since the epoch. */
const LAST_DATE_MS = 8_640_000_000_000_000;

const SEPARATOR = " | ";

/**
 * One line without a line break that fits into `columns`: what matters least is left out first, what remains is cut.
 *
 * @param columns Columns of the screen, > 0; Infinity for no limit.
 */
export function formatStatusLine(progress: JobProgress, rates: Rates, columns: number): string {
  let pieces = piecesOf(progress, rates);
  while (pieces.length > 1 && columnsOf(joined(pieces)) > columns) {
    const last = Math.max(...pieces.map(({ rank }) => rank));
    pieces = pieces.filter(({ rank }) => rank !== last);
  }
  return cut(joined(pieces), columns);
}

/**
 * What is printed when a job has ended: several lines, each with its line break.
 *
 * @param durationMs Time from the start to the end, milliseconds.
 */
export function formatSummary(progress: JobProgress, durationMs: number): string {
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
  const pieces: Piece[] = [{ text: printable(progress.name), rank: 9 }, { text: state, rank: 1 }];
  if (sources !== undefined && sources.total > 0) {
    // Rounded down: 100 % means that all is read.
    pieces.push({ text: `${Math.floor(Math.min(1, sources.done / sources.total) * 100)} %`, rank: 2 });
  }
  pieces.push({ text: `in ${count(Math.round(inPerSecond))}/s (${count(recordsIn)})`, rank: 3 });
  pieces.push({ text: `out ${count(Math.round(outPerSecond))}/s (${count(recordsOut)})`, rank: 4 });
  pieces.push({ text: `watermark ${formatWatermark(watermarkMs)}`, rank: 6 });
  if (lastCheckpoint !== undefined) pieces.push({ text: checkpoint(lastCheckpoint), rank: 5 });
  if (progress.checkpointsFailed > 0) {
    pieces.push({ text: `${count(progress.checkpointsFailed)} failed checkpoints`, rank: 7 });
  }
  if (restarts > 0) pieces.push({ text: `restarts ${count(restarts)}`, rank: 7 });
  if (recordsSkipped > 0) pieces.push({ text: `skipped ${count(recordsSkipped)}`, rank: 8 });
  return pieces;
}

function checkpoint({ id, sizeBytes, durationMs }: CheckpointGlance): string {
  return `checkpoint ${id}: ${formatBytes(sizeBytes)} in ${formatElapsed(durationMs)}`;
}

function endOf(state: JobState): string {
  if (state === "finished") return "finished in";
  return state === "stopped" || state === "cancelled" || state === "failed" ? `${state} after` : `${state} for`;
}

function joined(pieces: readonly Piece[]): string {
  return pieces.map(({ text }) => text).join(SEPARATOR);
}

/** 1234567 → "1,234,567". */
function count(number: number): string {
  return String(number).replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
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
