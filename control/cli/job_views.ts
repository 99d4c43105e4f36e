/**
 * `weir list` and `weir status`: shows the jobs of a process.
 *
 * Called by: control/cli/commands.ts.
 * Calls: control/cli/rest_client.ts.
 *
 * @module
 */
import { EXIT_FINISHED } from "../terminal.ts";
import { formatBytes } from "../status_line.ts";
import type { CliSurroundings, CommandArguments } from "./command.ts";
import { chooseJob, jobsOf, type ListedJob } from "./job_choice.ts";
import { type JsonObject, listIn, numberIn, objectIn, textIn } from "./json_answer.ts";
import { type Column, countText, durationText, printJson, printRows, tableText, timeText } from "./output.ts";
import { RestClient } from "./rest_client.ts";

/** `weir list`. */
export async function listJobs(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  const client = await RestClient.of(args, surroundings);
  const jobs = jobsOf(await client.get("/jobs/overview"));
  if (args.has("json")) await printJson(surroundings, { jobs });
  else await printJobs(jobs, surroundings);
  return EXIT_FINISHED;
}

const JOB_COLUMNS: readonly Column[] = [
  { title: "JOB" },
  { title: "STATE" },
  { title: "STARTED (UTC)" },
  { title: "FOR", align: "right" },
  { title: "TASKS", align: "right" },
  { title: "NAME" },
];

async function printJobs(jobs: readonly ListedJob[], surroundings: CliSurroundings): Promise<void> {
  if (!surroundings.outputIsTerminal) {
    const rows = jobs.map(({ id, state, startedMs, name }) => [id, state, timeText(startedMs), name]);
    return await printRows(surroundings, [], rows);
  }
  const rows = jobs.map(({ id, name, state, startedMs, durationMs, tasks }) => [
    id,
    state,
    timeText(startedMs),
    durationText(durationMs),
    `${tasks.running}/${tasks.total}`,
    name,
  ]);
  await printRows(surroundings, JOB_COLUMNS, rows);
}

/** `weir status [job]`. */
export async function showStatus(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  const client = await RestClient.of(args, surroundings);
  const { id } = chooseJob(jobsOf(await client.get("/jobs/overview")), args.positionals[0], client.url);
  const job = await client.get(`/jobs/${id}`);
  // A server may keep less than there could be to say.
  const checkpoints = await client.find(`/jobs/${id}/checkpoints`) ?? null;
  const exceptions = await client.find(`/jobs/${id}/exceptions?maxExceptions=1`) ?? null;
  if (args.has("json")) await printJson(surroundings, { job, checkpoints, exceptions });
  else await surroundings.print(`${statusText(job, checkpoints, exceptions).join("\n")}\n`);
  return EXIT_FINISHED;
}

const VERTEX_COLUMNS: readonly Column[] = [
  { title: "STATE" },
  { title: "SUBTASKS", align: "right" },
  { title: "IN", align: "right" },
  { title: "OUT", align: "right" },
  { title: "VERTEX" },
];

/** A job for people, line by line. */
function statusText(job: unknown, checkpoints: unknown, exceptions: unknown): string[] {
  const vertices = listIn(job, "vertices").map((vertex) => {
    const metrics = objectIn(vertex, "metrics");
    return [
      textIn(vertex, "status") ?? "",
      String(numberIn(vertex, "parallelism") ?? ""),
      countText(numberIn(metrics, "read-records") ?? 0),
      countText(numberIn(metrics, "write-records") ?? 0),
      textIn(vertex, "name") ?? "",
    ];
  });
  return [
    `${textIn(job, "name") ?? ""} (${textIn(job, "jid") ?? ""})`,
    `  ${textIn(job, "state") ?? ""} for ${durationText(numberIn(job, "duration"))}, started ` +
    timeText(numberIn(job, "start-time")),
    "",
    tableText(VERTEX_COLUMNS, vertices),
    "",
    ...checkpointLines(checkpoints),
    ...failureLines(exceptions),
  ];
}

function checkpointLines(checkpoints: unknown): string[] {
  const counts = objectIn(checkpoints, "counts");
  const latest = objectIn(checkpoints, "latest");
  const count = (name: string) => countText(numberIn(counts, name) ?? 0);
  return [
    `checkpoints: ${count("completed")} completed, ${count("failed")} failed, ${count("in_progress")} in progress`,
    ...checkpointLine("checkpoint", objectIn(latest, "completed")),
    ...checkpointLine("savepoint", objectIn(latest, "savepoint")),
  ];
}

function checkpointLine(kind: string, checkpoint: JsonObject): string[] {
  const id = numberIn(checkpoint, "id");
  if (id === undefined) return [];
  const full = numberIn(checkpoint, "state_size") ?? 0;
  const written = numberIn(checkpoint, "checkpointed_size") ?? full;
  const size = written === full ? formatBytes(full) : `${formatBytes(written)} written of ${formatBytes(full)}`;
  const duration = durationText(numberIn(checkpoint, "end_to_end_duration"));
  return [`  newest ${kind} ${id}: ${size} in ${duration}, ${textIn(checkpoint, "external_path") ?? "in memory"}`];
}

function failureLines(exceptions: unknown): string[] {
  const [newest] = listIn(objectIn(exceptions, "exceptionHistory"), "entries");
  if (newest === undefined) return [];
  const task = textIn(newest, "taskName");
  const text = textIn(newest, "stacktrace")?.split("\n")[0] ?? textIn(newest, "exceptionName") ?? "";
  return [
    "",
    `newest failure, ${timeText(numberIn(newest, "timestamp"))}${task === undefined ? "" : `, ${task}`}:`,
    `  ${text}`,
  ];
}
