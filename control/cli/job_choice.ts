/**
 * Finds the job that somebody means: by its id, the beginning of its id, or its name. Pure.
 *
 * Called by: the commands of a job.
 * Calls: nothing.
 *
 * @module
 */
import { UsageError } from "../usage_error.ts";
import { type JsonObject, listIn, numberIn, textIn } from "./json_answer.ts";

/** A job as a server lists it. */
export interface ListedJob {
  /** 32 hex digits. */
  readonly id: string;
  readonly name: string;
  /** As Flink calls it: RUNNING, FINISHED, … */
  readonly state: string;
  /** Milliseconds since the epoch. */
  readonly startedMs: number | undefined;
  readonly durationMs: number | undefined;
  readonly tasks: { readonly running: number; readonly total: number };
}

/** States in which nothing happens any more. */
const ENDED: readonly string[] = ["FINISHED", "CANCELED", "FAILED", "SUSPENDED"];

/** Whether a job in this state has ended. */
export function hasEnded(state: string): boolean {
  return ENDED.includes(state);
}

/** The jobs of `GET /jobs/overview`: those that live first, the newest first. */
export function jobsOf(answer: unknown): ListedJob[] {
  const jobs = listIn(answer, "jobs").map(jobOf);
  const rank = ({ state, startedMs = 0 }: ListedJob): number => (hasEnded(state) ? 1e15 : 0) - startedMs;
  return jobs.sort((a, b) => rank(a) - rank(b));
}

function jobOf(job: JsonObject): ListedJob {
  const tasks = job["tasks"];
  return {
    id: textIn(job, "jid") ?? "",
    name: textIn(job, "name") ?? "",
    state: textIn(job, "state") ?? "",
    startedMs: numberIn(job, "start-time"),
    durationMs: numberIn(job, "duration"),
    tasks: { running: numberIn(tasks, "running") ?? 0, total: numberIn(tasks, "total") ?? 0 },
  };
}

/**
 * The job that is meant.
 *
 * @param named Its id, the beginning of its id, or its name; undefined: the only one, or the only one that lives.
 * @throws {UsageError} If there is none, or more than one.
 */
export function chooseJob(jobs: readonly ListedJob[], named: string | undefined, url: string): ListedJob {
  if (named === undefined) {
    const alive = jobs.filter(({ state }) => !hasEnded(state));
    const candidates = alive.length > 0 ? alive : jobs;
    if (candidates.length === 1) return candidates[0]!;
    const what = candidates.length === 0 ? "none is there" : `there are ${candidates.length}`;
    throw new UsageError(`Cannot choose a job at ${url}: ${what}, one must be named${listed(candidates)}`);
  }
  const exact = jobs.filter(({ id, name }) => id === named.toLowerCase() || name === named);
  const found = exact.length > 0
    ? exact
    : jobs.filter(({ id }) => isPrefix(named) && id.startsWith(named.toLowerCase()));
  // An ended job of the same name is not meant when one lives.
  const alive = found.length > 1 ? found.filter(({ state }) => !hasEnded(state)) : found;
  if (alive.length === 1) return alive[0]!;
  if (found.length === 0) {
    throw new UsageError(`Cannot find job "${named}" at ${url}: no id or name is like that${listed(jobs)}`);
  }
  throw new UsageError(
    `Cannot choose job "${named}" at ${url}: ${found.length} are called so, one must be${listed(found)}`,
  );
}

function isPrefix(text: string): boolean {
  return /^[0-9a-f]{1,32}$/i.test(text);
}

function listed(jobs: readonly ListedJob[]): string {
  if (jobs.length === 0) return "; see weir list";
  return "; name one of\n" + jobs.map(({ id, name, state }) => `  ${id} ${name} (${state})`).join("\n");
}
