/**
 * Shows what the engine logs (warnings, restarts, fallbacks) on the screen,
 * unless the program has set up logging of its own.
 *
 * Called by: control/stream_environment.ts.
 * Calls: the logging library.
 *
 * @module
 */
import { configure, getConfig, type LogRecord, reset } from "@logtape/logtape";
import type { Screen } from "./terminal.ts";

/** Shows log records of level info and above. @returns Ends that. */
export async function showLog(screen: Screen): Promise<() => Promise<void>> {
  if (getConfig() !== null) return () => Promise.resolve();
  const clearLine = screen.isTerminal ? "\r\x1b[2K" : "";
  await configure({
    sinks: { screen: (record: LogRecord) => screen.write(`${clearLine}${record.level}: ${textOf(record)}\n`) },
    loggers: [
      { category: ["weir"], lowestLevel: "info", sinks: ["screen"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["screen"] },
    ],
  });
  return reset;
}

function textOf({ message }: LogRecord): string {
  return message.map((part) => typeof part === "string" ? part : String(part)).join("");
}
