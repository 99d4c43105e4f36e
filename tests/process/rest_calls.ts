/** Drives jobs in other processes over HTTP: asks, starts operations, and polls until they have ended. */
import { equal, ok } from "node:assert/strict";
import type { RunningScript } from "./running_script.ts";
import { passed } from "./started_job.ts";

/** How often answers and folders are looked at, milliseconds. */
const POLL_MS = 10;

/** What tests look at in answers. */
interface Answer {
  readonly "jobs": readonly { readonly jid: string; readonly name: string; readonly state: string }[];
  readonly "counts": { readonly completed: number };
  readonly "history": readonly {
    readonly is_savepoint: boolean;
    readonly status: string;
    readonly checkpointed_size: number;
    readonly state_size: number;
  }[];
  readonly "status": { readonly id: string };
  readonly "request-id": string;
  readonly "operation": { readonly "location"?: string; readonly "failure-cause"?: unknown };
}

/** A job as it is listed. */
export type ListedJob = Answer["jobs"][number];

/** Starts a savepoint or a stop, and says how it has ended. */
export interface OperationRequest {
  /** Path of the request, without the job: `savepoints` or `stop`. */
  readonly kind: "savepoints" | "stop";
  readonly format?: "canonical" | "native";
}

/** Resolves with what `look` finds once it is no longer undefined. */
export async function found<T>(look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    await passed(POLL_MS);
  }
}

/** Where the script serves its jobs, once it says so; rejects when it ends before. */
export async function urlOf(running: RunningScript): Promise<string> {
  const pattern = /HTTP API at (http:\/\/127\.0\.0\.1:\d+)\D/;
  await running.until("err", "HTTP API at http://127.0.0.1:");
  await running.until("err", "\n");
  const url = pattern.exec(running.printed.err)?.[1];
  ok(url !== undefined, running.printed.err);
  return url;
}

async function ask(url: string, init: RequestInit, status: number): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  equal(response.status, status, `${url}: ${text}`);
  return JSON.parse(text) as Answer; // Each caller reads the fields that its path answers with.
}

/** What a path answers with; it must do so with 200. */
export function get(url: string): Promise<Answer> {
  return ask(url, {}, 200);
}

/** Sends a body; the request's id. */
export async function post(url: string, body: unknown, status = 202): Promise<string> {
  const headers = { "content-type": "application/json" };
  const answer = await ask(url, { method: "POST", headers, body: JSON.stringify(body) }, status);
  return answer["request-id"];
}

/** The job with this name, once it runs. */
export function runningJob(url: string, name: string): Promise<ListedJob> {
  return found(async () => {
    const { jobs } = await get(`${url}/v1/jobs/overview`);
    return jobs.find((job) => job.name === name && job.state === "RUNNING");
  });
}

/** Waits for so many more completed checkpoints or savepoints than there are now. */
export async function moreCheckpoints(url: string, jobId: string, count: number): Promise<void> {
  const completed = async () => (await get(`${url}/jobs/${jobId}/checkpoints`)).counts.completed;
  const before = await completed();
  await found(async () => await completed() >= before + count || undefined);
}

/** Takes a savepoint, or stops with one; its path. */
export async function savepointOver(
  url: string,
  jobId: string,
  { kind, format = "canonical" }: OperationRequest,
): Promise<string> {
  const id = await post(`${url}/jobs/${jobId}/${kind}`, { formatType: format.toUpperCase() });
  const { location, ...rest } = await ended(`${url}/jobs/${jobId}/savepoints/${id}`);
  ok(location !== undefined, `${kind} has failed: ${JSON.stringify(rest)}`);
  return location;
}

/** Deletes a savepoint. */
export async function disposeOver(url: string, path: string): Promise<void> {
  const id = await post(`${url}/savepoint-disposal`, { "savepoint-path": path }, 200);
  equal((await ended(`${url}/savepoint-disposal/${id}`))["failure-cause"], undefined);
}

function ended(url: string): Promise<Answer["operation"]> {
  return found(async () => {
    const { status, operation } = await get(url);
    return status.id === "COMPLETED" ? operation : undefined;
  });
}
