/**
 * Runs the queries of Nexmark, each in a process of its own, and prints what they took:
 * `deno task nexmark [--query q4,q9] [--events N] [--backend lsm] [--json]`.
 *
 * Further flags: `--parallelism N` (1), `--interval MS` from one checkpoint to the next (10000), `--seed N` (1), `--rate N`
 * events in a second of event time (100000), `--cpu-prof FOLDER` for a profile of each query, `-Dkey=value` options of the job.
 * Without `--json` a line for people, with it one JSON object a line.
 * Exit codes: 0 all ran, 1 one failed, 2 bad usage.
 *
 * Called by: the task `nexmark`.
 * Calls: bench/nexmark/run_query.ts, bench/machine.ts.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Machine, thisMachine } from "../machine.ts";
import { QUERIES } from "./queries.ts";
import type { QueryFigures, QuerySettings } from "./settings.ts";

const MIB = 1024 * 1024;
const USAGE =
  "usage: deno task nexmark [--query q4,q9] [--events N] [--backend heap|lsm|lmdb] [--json] [--parallelism N] " +
  "[--interval MS] [--seed N] [--rate N] [--cpu-prof FOLDER] [-Dkey=value …]\n";
/** Memory for JavaScript values, MiB: that of events alone goes beyond the default. */
const HEAP_MIB = 8_192;

/** What the command line asks for. */
interface Wanted {
  readonly runs: readonly QuerySettings[];
  readonly json: boolean;
  /** Folder for profiles; null for none. */
  readonly profiles: string | null;
}

const COLUMNS: readonly (readonly [title: string, width: number, of: (figures: QueryFigures) => string])[] = [
  ["query", -7, ({ query }) => query],
  ["backend", -9, ({ backend }) => backend],
  ["events/s", 12, ({ eventsPerSecond }) => grouped(eventsPerSecond)],
  ["per cpu s", 12, ({ eventsPerCpuSecond }) => grouped(eventsPerCpuSecond)],
  ["results", 12, ({ results }) => grouped(results)],
  ["peak MiB", 10, ({ peakBytes }) => mebibytes(peakBytes)],
  ["(at start)", 11, ({ startBytes }) => mebibytes(startBytes)],
  [
    "checkpoints",
    12,
    ({ checkpoints, checkpointsFailed: failed }) => `${checkpoints}${failed > 0 ? ` (${failed} failed)` : ""}`,
  ],
  ["p50 ms", 8, ({ checkpointP50Ms }) => checkpointP50Ms === null ? "-" : grouped(checkpointP50Ms)],
  ["p99 ms", 8, ({ checkpointP99Ms }) => checkpointP99Ms === null ? "-" : grouped(checkpointP99Ms)],
  ["state MiB", 10, ({ largestStateBytes }) => largestStateBytes === null ? "-" : mebibytes(largestStateBytes)],
];

process.exitCode = main(process.argv.slice(2));

function main(args: readonly string[]): number {
  const wanted = parse(args);
  if (wanted === undefined) return 2;
  const machine = thisMachine();
  if (!wanted.json) process.stdout.write(heading(machine));
  let failures = 0;
  for (const settings of wanted.runs) {
    const figures = run(settings, wanted.profiles);
    if (figures === null) failures++;
    else process.stdout.write(wanted.json ? `${JSON.stringify({ ...figures, ...machine })}\n` : line(figures));
  }
  return failures === 0 ? 0 : 1;
}

function parse(args: readonly string[]): Wanted | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        query: { type: "string", default: Object.keys(QUERIES).join(",") },
        events: { type: "string", default: "5000000" },
        backend: { type: "string", default: "heap" },
        json: { type: "boolean", default: false },
        parallelism: { type: "string", default: "1" },
        interval: { type: "string", default: "10000" },
        seed: { type: "string", default: "1" },
        rate: { type: "string", default: "100000" },
        "cpu-prof": { type: "string" },
        D: { type: "string", short: "D", multiple: true, default: [] },
      },
    });
    const common = {
      events: positive("--events", values.events),
      backend: values.backend === "heap" ? "hashmap" : values.backend,
      parallelism: positive("--parallelism", values.parallelism),
      intervalMs: positive("--interval", values.interval),
      seed: positive("--seed", values.seed),
      eventsPerSecond: positive("--rate", values.rate),
      config: Object.fromEntries(values.D.map((option) => option.split(/=(.*)/s, 2))),
    };
    const runs = values.query.split(",").map((query) => ({ ...common, query: known(query) }));
    return { runs, json: values.json, profiles: values["cpu-prof"] ?? null };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return undefined;
  }
}

function known(query: string): string {
  if (Object.hasOwn(QUERIES, query)) return query;
  throw new RangeError(`Cannot run query "${query}": there is none; choose from ${Object.keys(QUERIES).join(", ")}`);
}

function positive(flag: string, text: string): number {
  const value = Number(text.replaceAll("_", ""));
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`Cannot use ${flag} ${text}: it must be an integer above 0`);
}

/** Runs a query in a process. Null if it failed. */
function run(settings: QuerySettings, profiles: string | null): QueryFigures | null {
  const path = fileURLToPath(new URL("run_query.ts", import.meta.url));
  const v8 = `--max-old-space-size=${HEAP_MIB}`;
  const profile = profiles === null
    ? []
    : ["--cpu-prof", `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${settings.query}.cpuprofile`];
  // What the system says of a process may be read with all permissions only.
  const args = "Deno" in globalThis ? ["run", "--allow-all", `--v8-flags=${v8}`, ...profile] : [];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args, path, JSON.stringify(settings)], {
    encoding: "utf8",
    maxBuffer: 64 * MIB,
  });
  if (status !== 0) {
    process.stderr.write(`${settings.query} has failed:\n${stderr}${stdout}`);
    return null;
  }
  // The script's last line is this.
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as QueryFigures;
}

function heading({ runtime, version, commit, cpu }: Machine): string {
  return `${runtime} ${version}, commit ${commit}, ${cpu}\n\n${row(COLUMNS.map(([title, width]) => [title, width]))}\n`;
}

function line(figures: QueryFigures): string {
  const cells = COLUMNS.map(([_, width, of]) => [of(figures), width] as const);
  const { streamed, residentBytes } = figures;
  const memory = residentBytes.map((bytes) => mebibytes(bytes)).join(" ");
  const note = streamed ? `    events made while they were read; MiB after each tenth: ${memory}\n` : "";
  return `${row(cells)}\n${note}`;
}

/** @param cells Texts with their widths; negative: to the left. */
function row(cells: readonly (readonly [text: string, width: number])[]): string {
  return cells.map(([text, width]) => width < 0 ? text.padEnd(-width) : text.padStart(width)).join("");
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

function mebibytes(bytes: number): string {
  return grouped(Math.round(bytes / MIB));
}
