/**
 * `weir savepoint`, `checkpoint`, `stop`, `cancel` and `dispose`: asks a job to do something.
 *
 * Called by: control/cli/commands.ts.
 * Calls: control/cli/rest_client.ts, control/cli/operation_wait.ts.
 *
 * Invariants:
 * - standard output has the result alone, so that a shell can use it;
 * - what starts an operation carries an id of its own, and so can be sent again.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import { EXIT_FINISHED } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import type { CliSurroundings, CommandArguments } from "./command.ts";
import { chooseJob, hasEnded, jobsOf, type ListedJob } from "./job_choice.ts";
import { type JsonObject, numberIn, textIn } from "./json_answer.ts";
import { START_RETRIES, type StartedOperation, waitFor } from "./operation_wait.ts";
import { printJson } from "./output.ts";
import { NoAnswerError, RestClient } from "./rest_client.ts";

const FIRST_POLL_MS = 10;
const LONGEST_POLL_MS = 2_000;

/** `weir savepoint [job] [directory]`. */
export async function takeSavepoint(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  const client = await RestClient.of(args, surroundings);
  const jobs = jobsOf(await client.get("/jobs/overview"));
  const [named, directory] = jobAndDirectory(args.positionals, jobs);
  const job = chooseJob(jobs, named, client.url);
  const triggerId = surroundings.random.id();
  const answer = await client.post(`/jobs/${job.id}/savepoints`, {
    body: {
      ...(directory === undefined ? {} : { "target-directory": directory }),
      "cancel-job": false,
      formatType: formatOf(args),
      triggerId,
    },
    retries: START_RETRIES,
  });
  return await savepointResult(`savepoint of "${job.name}"`, job, answer, { client, args, surroundings });
}

/** A single argument with a slash is a directory, unless a job is called so. */
function jobAndDirectory(
  positionals: readonly string[],
  jobs: readonly ListedJob[],
): readonly [named: string | undefined, directory: string | undefined] {
  const [first, second] = positionals;
  const isDirectory = second === undefined && first?.includes("/") === true && !jobs.some(({ name }) => name === first);
  return isDirectory ? [undefined, first] : [first, second];
}

/** `weir stop [job]`. */
export async function stopJob(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  const { client, job } = await chosen(args.positionals[0], args, surroundings);
  const directory = args.text("directory");
  const answer = await client.post(`/jobs/${job.id}/stop`, {
    body: {
      ...(directory === undefined ? {} : { targetDirectory: directory }),
      drain: args.has("drain"),
      formatType: formatOf(args),
      triggerId: surroundings.random.id(),
    },
    retries: START_RETRIES,
  });
  return await savepointResult(`stop of "${job.name}"`, job, answer, { client, args, surroundings });
}

/** `weir checkpoint [job]`. */
export async function takeCheckpoint(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  if (args.has("full") && args.has("incremental")) {
    throw new UsageError("Cannot use --full and --incremental together: one of them must be left out");
  }
  const { client, job } = await chosen(args.positionals[0], args, surroundings);
  const checkpointType = args.has("full") ? "FULL" : args.has("incremental") ? "INCREMENTAL" : "CONFIGURED";
  const answer = await client.post(`/jobs/${job.id}/checkpoints`, {
    body: { checkpointType, triggerId: surroundings.random.id() },
    retries: START_RETRIES,
  });
  const operation = operationOf(`checkpoint of "${job.name}"`, job, answer, "checkpoints");
  if (args.has("detached")) return await printDetached(operation, job, args, surroundings);
  const checkpointId = numberIn(await waitFor(operation, client, surroundings), "checkpointId");
  const details = await client.find(`/jobs/${job.id}/checkpoints/details/${checkpointId}`);
  const path = textIn(details, "external_path");
  const { requestId } = operation;
  if (args.has("json")) await printJson(surroundings, { job: job.id, requestId, checkpointId, path: path ?? null });
  else await surroundings.print(`${path ?? `checkpoint ${checkpointId}`}\n`);
  return EXIT_FINISHED;
}

/** `weir cancel [job]`. */
export async function cancelJob(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  const { client, job } = await chosen(args.positionals[0], args, surroundings);
  await client.patch(`/jobs/${job.id}?mode=cancel`);
  const state = args.has("detached") ? "CANCELLING" : await untilEnded(client, job, surroundings);
  if (args.has("json")) await printJson(surroundings, { job: job.id, state });
  else surroundings.screen.write(`${state === "CANCELLING" ? "Cancelling" : "Cancelled"} "${job.name}" (${job.id})\n`);
  return EXIT_FINISHED;
}

/** Waits for the end of a job that was cancelled. The server may be gone before it has told. */
async function untilEnded(client: RestClient, job: ListedJob, surroundings: CliSurroundings): Promise<string> {
  const unlisten = surroundings.onInterrupt(() => client.interrupt());
  try {
    for (let pauseMs = FIRST_POLL_MS;; pauseMs = Math.min(LONGEST_POLL_MS, pauseMs * 2)) {
      const state = textIn(await client.get(`/jobs/${job.id}/status`), "status") ?? "";
      if (state === "FAILED") throw new StreamError("unavailable", `"${job.name}" has failed while it was cancelled`);
      if (hasEnded(state)) return state;
      await client.wait(pauseMs);
    }
  } catch (error) {
    // It ends with its last job.
    if (error instanceof NoAnswerError) return "CANCELED";
    throw error;
  } finally {
    unlisten();
  }
}

/** `weir dispose <path>`. */
export async function disposeSavepoint(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  const client = await RestClient.of(args, surroundings);
  const [path = ""] = args.positionals;
  const answer = await client.post("/savepoint-disposal", {
    body: { "savepoint-path": path, triggerId: surroundings.random.id() },
    retries: START_RETRIES,
  });
  const requestId = requestIdOf(answer);
  const what = `disposal of "${path}"`;
  await waitFor(
    { what, requestId, path: `/savepoint-disposal/${requestId}`, progressPath: null },
    client,
    surroundings,
  );
  if (args.has("json")) await printJson(surroundings, { requestId, path });
  else surroundings.screen.write(`Deleted "${path}"\n`);
  return EXIT_FINISHED;
}

interface Asked {
  readonly client: RestClient;
  readonly args: CommandArguments;
  readonly surroundings: CliSurroundings;
}

async function savepointResult(what: string, job: ListedJob, answer: unknown, asked: Asked): Promise<number> {
  const { client, args, surroundings } = asked;
  const operation = operationOf(what, job, answer, "savepoints");
  if (args.has("detached")) return await printDetached(operation, job, args, surroundings);
  const path = textIn(await waitFor(operation, client, surroundings), "location");
  if (path === undefined) {
    throw new StreamError("invalid", `The ${what} has no result: the server does not say where it is`);
  }
  if (args.has("json")) await printJson(surroundings, { job: job.id, requestId: operation.requestId, path });
  else await surroundings.print(`${path}\n`);
  return EXIT_FINISHED;
}

async function chosen(
  named: string | undefined,
  args: CommandArguments,
  surroundings: CliSurroundings,
): Promise<{ readonly client: RestClient; readonly job: ListedJob }> {
  const client = await RestClient.of(args, surroundings);
  return { client, job: chooseJob(jobsOf(await client.get("/jobs/overview")), named, client.url) };
}

function formatOf(args: CommandArguments): string {
  return (args.text("format") ?? "canonical").toUpperCase();
}

function operationOf(
  what: string,
  job: ListedJob,
  answer: unknown,
  kind: "savepoints" | "checkpoints",
): StartedOperation {
  const requestId = requestIdOf(answer);
  return { what, requestId, path: `/jobs/${job.id}/${kind}/${requestId}`, progressPath: `/jobs/${job.id}/checkpoints` };
}

function requestIdOf(answer: unknown): string {
  const requestId = textIn(answer, "request-id");
  if (requestId !== undefined) return requestId;
  throw new StreamError(
    "invalid",
    `Cannot follow the request: the server has given it no id, but ${JSON.stringify(answer)}`,
  );
}

async function printDetached(
  { requestId }: StartedOperation,
  job: ListedJob,
  args: CommandArguments,
  surroundings: CliSurroundings,
): Promise<number> {
  const document: JsonObject = { job: job.id, requestId };
  if (args.has("json")) await printJson(surroundings, document);
  else await surroundings.print(`${requestId}\n`);
  return EXIT_FINISHED;
}
