/**
 * Shows what the engine logs (warnings, restarts, fallbacks) on the screen,
 * unless the program has set up logging of its own.
 *
 * Called by: control/stream_environment.ts.
 * Calls: the logging library.
 *
 * Invariant: the log is shown as long as one job of the process has asked for it.
 *
 * @module
 */
import { configure, getConfig, type LogRecord, reset } from "@logtape/logtape";
import type { Screen } from "./terminal.ts";

/** Jobs under way that have their log shown. */
let jobs = 0;
/** Ends with the last change of the library's configuration that was asked for: it refuses two at a time. */
let changes: Promise<void> = Promise.resolve();

/** Shows log records of level info and above, on the screen of the job that was first. @returns Ends that for this job. */
export async function showLog(screen: Screen): Promise<() => Promise<void>> {
  let isShown = false;
  await inTurn(async () => {
    if (jobs === 0) {
      if (getConfig() !== null) return;
      await configureFor(screen);
    }
    jobs++;
    isShown = true;
  });
  return () =>
    inTurn(async () => {
      if (!isShown) return;
      isShown = false;
      if (--jobs === 0) await reset();
    });
}

function inTurn(change: () => Promise<void>): Promise<void> {
  const done = changes.then(change);
  changes = done.catch(() => undefined); // Whoever asked is told.
  return done;
}

async function configureFor(screen: Screen): Promise<void> {
  const clearLine = screen.isTerminal ? "\r\x1b[2K" : "";
  await configure({
    sinks: { screen: (record: LogRecord) => screen.write(`${clearLine}${record.level}: ${textOf(record)}\n`) },
    loggers: [
      { category: ["weir"], lowestLevel: "info", sinks: ["screen"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["screen"] },
    ],
  });
}

function textOf({ message }: LogRecord): string {
  return message.map((part) => typeof part === "string" ? part : String(part)).join("");
}
