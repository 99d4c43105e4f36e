/** Starts, kills and looks at jobs that run in processes of their own, each in a folder that is removed afterwards. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { filesOf } from "../../checkpoint/completed_checkpoint.ts";
import { decodeMetadata } from "../../checkpoint/metadata_reader.ts";
import { flightLines, flightReports } from "../support/flight_oracle.ts";
import { lateFlightLines, lateFlightReports, splitFlightLines, splitFlightReports } from "./late_flights.ts";
import { type RunningScript, startScript } from "./running_script.ts";
import { STOPPED, type StopPoint, stopPointText } from "./stopping_file_system.ts";

/** A job in a folder of its own. */
export interface JobFolder {
  readonly folder: string;
  readonly script: string;
  /** Given to each start. */
  readonly args: readonly string[];
  /** Flags for Deno besides those that examples need. */
  readonly permissions?: readonly string[];
  /** Where its output is, and what it must be: sorted lines. */
  readonly report: string;
  readonly expected: readonly string[];
  /** Holds a folder for the job. */
  readonly checkpoints: string;
}

/** Waits for real time. */
export function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

/** Names the seed when the test fails. */
export async function withSeed(seed: number, body: (random: () => number) => Promise<void>): Promise<void> {
  try {
    await body(seeded(seed));
  } catch (error) {
    throw new Error(`with seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "weir-kill-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const scriptAt = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The example on its real data. */
export function withDemo(args: readonly string[], body: (job: JobFolder) => Promise<void>): Promise<void> {
  return inFolder((folder) =>
    body({
      folder,
      args,
      script: scriptAt("examples/flight_delays.ts"),
      report: join(folder, "out/flight-delays"),
      expected: flightReports(flightLines()),
      checkpoints: join(folder, "out/checkpoints"),
    })
  );
}

/** Checkpoints often, with all state in files of its own. */
const CHECKPOINTS = [
  "-Dexecution.checkpointing.interval=25ms",
  "-Dexecution.checkpointing.data-inline-threshold=0",
];

/** The job of late_flights_script.ts on late input, read by one subtask. */
export function withLateFlights(args: readonly string[], body: (job: JobFolder) => Promise<void>): Promise<void> {
  const lines = lateFlightLines(seeded(1));
  return withFlights({ "input.jsonl": lines }, lateFlightReports(lines), args, body);
}

/** The same job on four files of different length, read by four subtasks of which some end early. */
export function withSplitFlights(args: readonly string[], body: (job: JobFolder) => Promise<void>): Promise<void> {
  const files = splitFlightLines();
  const named = Object.fromEntries(files.map((lines, index) => [`input-${index}.jsonl`, lines]));
  return withFlights(named, splitFlightReports(files), ["--input", "input-*.jsonl", "--sources", "4", ...args], body);
}

function withFlights(
  files: Readonly<Record<string, readonly string[]>>,
  expected: readonly string[],
  args: readonly string[],
  body: (job: JobFolder) => Promise<void>,
): Promise<void> {
  return inFolder((folder) => {
    for (const [name, lines] of Object.entries(files)) writeFileSync(join(folder, name), lines.join("\n"));
    return body({
      folder,
      args: [...CHECKPOINTS, ...args],
      script: scriptAt("tests/process/late_flights_script.ts"),
      report: join(folder, "report"),
      expected,
      checkpoints: join(folder, "checkpoints"),
    });
  });
}

/** Goes on where the job has stopped. */
export const LATEST: readonly string[] = ["--from", "latest"];
/** Longest time that the example works before it is killed. */
const LIFE_MS = 500;
const FLIGHT_COUNT = 20_000;

/** What examples need, and no more. */
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-env"];

/** Starts the job. */
export function start(job: JobFolder, ...args: readonly string[]): RunningScript {
  const permissions = [...PERMISSIONS, ...job.permissions ?? []];
  return startScript(job.script, [...job.args, ...args], { cwd: job.folder, permissions });
}

/** Runs the job to its end, which must be a good one; what it has printed on standard error. */
export async function finish(job: JobFolder, ...args: readonly string[]): Promise<string> {
  const running = start(job, ...args);
  equal(await running.exitCode, 0, running.printed.err);
  return running.printed.err;
}

/** Kills the example again and again at random moments; the first within its first checkpoint interval. */
export async function killAtRandom(job: JobFolder, kills: number, random: () => number): Promise<void> {
  // So slow that the input lasts.
  const rate = FLIGHT_COUNT / (kills * LIFE_MS / 1000);
  let landed = 0;
  for (let kill = 0; kill < kills; kill++) {
    const running = start(job, "--rate", String(rate), ...kill === 0 ? [] : LATEST);
    await atWork(job, running);
    await passed(random() * (kill === 0 ? 150 : LIFE_MS));
    running.kill("SIGKILL");
    // The last ones may come when the input has ended.
    const exitCode = await running.exitCode;
    ok(exitCode === null || exitCode === 0, running.printed.err);
    if (exitCode === null) landed++;
    checkSoFar(job);
  }
  ok(landed >= Math.max(1, 0.9 * kills - 1), `only ${landed} of ${kills} kills have come before the end`);
}

/** Runs the job until it stands still at `point`, and kills it there. */
export async function killAt(job: JobFolder, point: StopPoint, ...args: readonly string[]): Promise<RunningScript> {
  const running = await killAtOrFinish(job, point, ...args);
  equal(await running.exitCode, null, `never came to ${stopPointText(point)}: ${running.printed.err}`);
  return running;
}

/** The same for a point that the job may not come to before it has finished. */
export async function killAtOrFinish(
  job: JobFolder,
  point: StopPoint,
  ...args: readonly string[]
): Promise<RunningScript> {
  const running = start(job, "--stop-at", stopPointText(point), ...args);
  // Rejects when the process ends instead; how, is seen below.
  await running.until("out", STOPPED).catch(() => {});
  running.kill("SIGKILL");
  ok([null, 0].includes(await running.exitCode), running.printed.err);
  return running;
}

/** Resolves when a process works on the job; rejects when it ends before that. */
export async function atWork(job: JobFolder, running: RunningScript): Promise<void> {
  let ended = false;
  running.exitCode.then(() => ended = true);
  while (holderOf(job) !== `${running.pid}\n`) {
    ok(!ended, running.printed.err);
    await passed(2);
  }
}

function holderOf(job: JobFolder): string {
  const folder = checkpointFolder(job);
  if (folder === null) return "";
  return names(folder).includes("_lock") ? readFileSync(join(folder, "_lock"), "utf8") : "";
}

/** Names in a folder, sorted; none when it is not there. */
export function names(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

/** Folder with the checkpoints of the job; null when there is none yet. */
export function checkpointFolder(job: JobFolder): string | null {
  const [jobId] = names(job.checkpoints);
  return jobId === undefined ? null : join(job.checkpoints, jobId);
}

/** Ids of completed checkpoints, newest first. */
export function completedIds(job: JobFolder): number[] {
  const folder = checkpointFolder(job);
  if (folder === null) return [];
  return names(folder)
    .filter((name) => name.startsWith("chk-") && names(join(folder, name)).includes("_metadata"))
    .map((name) => Number(name.slice(4)))
    .sort((a, b) => b - a);
}

/** Highest id that a checkpoint has had, complete or not, set aside or not; 0 when there was none. */
export function highestId(job: JobFolder): number {
  const folder = checkpointFolder(job);
  const ids = folder === null
    ? []
    : names(folder).map((name) => Number(/^(?:damaged-)?chk-(\d+)/.exec(name)?.[1] ?? 0));
  return Math.max(0, ...ids);
}

/** Paths of the metadata and of the files that a completed checkpoint refers to. */
export function filesOfCheckpoint(job: JobFolder, checkpointId: number): { metadata: string; runs: string[] } {
  const folder = checkpointFolder(job)!; // There is a checkpoint.
  const metadata = join(folder, `chk-${checkpointId}`, "_metadata");
  const { operators } = decodeMetadata(readFileSync(metadata), metadata);
  const runs = [...filesOf(operators)].flatMap((file) => {
    if (file.scope === "inline") return [];
    return join(folder, file.scope === "shared" ? "shared" : `chk-${checkpointId}`, file.name);
  });
  return { metadata, runs: [...new Set(runs)] };
}

/** What readers of the output see, sorted. */
export function committedLines(job: JobFolder): string[] {
  return names(job.report)
    .filter((name) => name.startsWith("part-"))
    .flatMap((name) => readFileSync(join(job.report, name), "utf8").split("\n").slice(0, -1))
    .sort();
}

/** Names in the output folder that are not for readers. */
export function uncommitted(job: JobFolder): string[] {
  return names(job.report).filter((name) => name.startsWith(".") && name !== ".superseded");
}

/** All that a reader sees now is in the output of an undisturbed run, too, and no line of it twice. */
export function checkSoFar(job: JobFolder): void {
  const due = new Map<string, number>();
  for (const line of job.expected) due.set(line, (due.get(line) ?? 0) + 1);
  for (const line of committedLines(job)) {
    const count = due.get(line) ?? 0;
    ok(count > 0, `committed too often, or never due: ${line}`);
    due.set(line, count - 1);
  }
}

/** The output is that of an undisturbed run, and nothing is left beside it. */
export function checkEnd(job: JobFolder): void {
  deepEqual(committedLines(job), job.expected);
  deepEqual(uncommitted(job), []);
}
