/**
 * Lays out what commands print: tables for people, lines of fields for programs, one document for `--json`. Pure, but
 * for the printing itself.
 *
 * Called by: control/cli/.
 * Calls: nothing.
 *
 * @module
 */
import { formatElapsed } from "../status_line.ts";
import type { CliSurroundings } from "./command.ts";

/** A column of a table. */
export interface Column {
  /** Above the column. */
  readonly title: string;
  /** Numbers go to the right. */
  readonly align?: "right";
}

/** Rows below titles, for people; lines without a line break at the end. */
export function tableText(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]!.length)));
  return cells.map((row) =>
    row.map((cell, index) => {
      const width = widths[index]!;
      return columns[index]!.align === "right" ? cell.padStart(width) : cell.padEnd(width);
    }).join("  ").trimEnd()
  ).join("\n");
}

/** A line for each row, fields between tabs, for programs. */
export function plainText(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => row.map(printable).join("\t")).join("\n");
}

/** Prints rows as a table on a terminal, else as lines. Nothing for no rows but the titles. */
export async function printRows(
  { print, outputIsTerminal }: Pick<CliSurroundings, "print" | "outputIsTerminal">,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): Promise<void> {
  if (outputIsTerminal) await print(`${tableText(columns, rows)}\n`);
  else if (rows.length > 0) await print(`${plainText(rows)}\n`);
}

/** Prints one JSON document. */
export async function printJson({ print }: Pick<CliSurroundings, "print">, document: unknown): Promise<void> {
  await print(`${JSON.stringify(document, null, 2)}\n`);
}

/** Line breaks, tabs and escape sequences would break the line, or the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ").trim();
}

/** Milliseconds since the epoch as UTC: "2026-03-01 08:10:00"; "-" for none. */
export function timeText(ms: number | undefined): string {
  if (ms === undefined || ms < 0 || ms > 8_640_000_000_000_000) return "-";
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/** A duration for people; "-" for none. */
export function durationText(ms: number | undefined): string {
  return ms === undefined || ms < 0 ? "-" : formatElapsed(ms);
}

/** 1234567 → "1,234,567". */
export function countText(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Each line two columns to the right. */
export function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}

/** "1 run", "3 runs". */
export function counted(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`;
}
