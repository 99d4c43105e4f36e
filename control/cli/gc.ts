/**
 * `weir gc`: lists what nothing refers to in a folder of checkpoints, and removes it when it is told to.
 *
 * Called by: control/cli/commands.ts.
 * Calls: control/cli/garbage.ts, the lock of jobs.
 *
 * Invariants:
 * - nothing is removed without `--force`;
 * - the lock of a job is held while its folder is looked at and changed: a job that runs is left alone.
 *
 * @module
 */
import type { HeldLock } from "../../checkpoint/job_lock.ts";
import { parseDurationMs } from "../../core/config_units.ts";
import { messageOf, StreamError } from "../../core/errors.ts";
import { LOCK_NAME } from "../../runtime/system_job_lock.ts";
import { formatBytes } from "../status_line.ts";
import { EXIT_FINISHED } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import type { CliSurroundings, CommandArguments } from "./command.ts";
import { findGarbage, type Garbage, isJobFolder, removeGarbage } from "./garbage.ts";
import { type Column, counted, printJson, printRows, timeText } from "./output.ts";

/** What became of the folder of one job. */
interface SweptFolder {
  readonly path: string;
  /** Why it was left alone; null when it was not. */
  readonly skipped: string | null;
  /** See `FoundGarbage.unknown`. */
  readonly unknown: string | null;
  readonly garbage: readonly Garbage[];
}

interface GcOptions {
  readonly force: boolean;
  readonly damaged: boolean;
  /** What has changed since is kept, milliseconds since the epoch. */
  readonly beforeMs: number;
}

/** `weir gc <checkpoints dir>`. */
export async function gc(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  const options = optionsOf(args, surroundings.clock.nowMs());
  const [directory = ""] = args.positionals;
  const folders = await jobFolders(directory.replace(/(?!^)\/+$/, ""), surroundings);
  const swept: SweptFolder[] = [];
  for (const folder of folders) swept.push(await sweep(folder, options, surroundings));
  if (args.has("json")) await printJson(surroundings, { removed: options.force, jobs: swept });
  else await printSwept(swept, options, surroundings);
  return EXIT_FINISHED;
}

function optionsOf(args: CommandArguments, nowMs: number): GcOptions {
  if (args.has("force") && args.has("dry-run")) {
    throw new UsageError("Cannot use --force and --dry-run together: one of them must be left out");
  }
  const age = args.text("older-than");
  const ageMs = age === undefined ? 0 : parseDurationMs(age);
  if (ageMs === undefined) {
    throw new UsageError(`Cannot use --older-than "${age}": it must be a duration; write 7d or 12h`);
  }
  return {
    force: args.has("force"),
    damaged: args.has("damaged"),
    beforeMs: age === undefined ? Number.POSITIVE_INFINITY : nowMs - ageMs,
  };
}

async function jobFolders(directory: string, { fileSystem }: CliSurroundings): Promise<string[]> {
  const status = await fileSystem.status(directory);
  if (status?.kind !== "directory") {
    throw new StreamError(
      "invalid",
      `Cannot look into "${directory}": there is no such folder; give one of checkpoints`,
    );
  }
  if (await isJobFolder(fileSystem, directory)) return [directory];
  const folders: string[] = [];
  for (const name of await fileSystem.list(directory)) {
    const path = `${directory}/${name}`;
    const inner = await fileSystem.status(path);
    if (inner?.kind === "directory" && await isJobFolder(fileSystem, path)) folders.push(path);
  }
  if (folders.length > 0) return folders;
  throw new StreamError(
    "invalid",
    `Cannot look into "${directory}": it holds no job's checkpoints; give execution.checkpointing.dir`,
  );
}

async function sweep(path: string, options: GcOptions, surroundings: CliSurroundings): Promise<SweptFolder> {
  const { fileSystem } = surroundings;
  let lock: HeldLock | null = null;
  // Without the file nobody has ever worked on it with a lock: looking needs none.
  if (options.force || await fileSystem.status(`${path}/${LOCK_NAME}`) !== null) {
    try {
      lock = await surroundings.jobLock.acquire(path);
    } catch (error) {
      if (!(error instanceof StreamError) || error.kind !== "invalid") throw error;
      return { path, skipped: messageOf(error), unknown: null, garbage: [] };
    }
  }
  try {
    const { garbage, unknown } = await findGarbage(fileSystem, path, options);
    const old = garbage.filter(({ modifiedMs }) => modifiedMs < options.beforeMs);
    if (options.force) { for (const one of old) await removeGarbage(fileSystem, one); }
    return { path, skipped: null, unknown, garbage: old };
  } finally {
    await lock?.release();
  }
}

const COLUMNS: readonly Column[] = [
  { title: "SIZE", align: "right" },
  { title: "CHANGED (UTC)" },
  { title: "WHAT" },
  { title: "PATH" },
];

async function printSwept(
  swept: readonly SweptFolder[],
  { force }: GcOptions,
  surroundings: CliSurroundings,
): Promise<void> {
  const { screen } = surroundings;
  const garbage = swept.flatMap((folder) => folder.garbage);
  const rows = garbage.map(({ sizeBytes, modifiedMs, kind, path }) => [
    formatBytes(sizeBytes),
    timeText(modifiedMs),
    kind,
    path,
  ]);
  if (rows.length > 0) await printRows(surroundings, COLUMNS, rows);
  for (const { path, skipped, unknown } of swept) {
    if (skipped !== null) screen.write(`Left "${path}" alone: ${skipped}\n`);
    if (unknown !== null) screen.write(`In "${path}" ${unknown}\n`);
  }
  const size = formatBytes(garbage.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const looked = `in ${counted(swept.length, "job folder")}`;
  if (garbage.length === 0) screen.write(`Nothing to remove ${looked}\n`);
  else if (force) screen.write(`Removed ${counted(garbage.length, "item")} of ${size} ${looked}\n`);
  else screen.write(`${counted(garbage.length, "item")} of ${size} ${looked}; --force removes them\n`);
}
