/**
 * Routes about the process, which is job manager and task manager at once: what it is, its memory, its slots.
 *
 * Called by: control/http/api.ts.
 * Calls: control/http/process_metrics.ts, control/http/slots.ts.
 *
 * Logs go to standard error of the process and are not kept: the lists of log files are empty.
 *
 * @module
 */
import process from "node:process";
import { createRoute, z } from "@hono/zod-openapi";
import type { ApiApp } from "./api.ts";
import { WEIR_VERSION } from "./api_version.ts";
import { type ApiContext, listedJob } from "./context.ts";
import { checkWorker } from "./metric_routes.ts";
import { managedMemory, processMemory, WORKER_ID } from "./process_metrics.ts";
import { Count, JobParams, json, Millis } from "./schemas.ts";
import { slotsOf, slotsOfJob } from "./slots.ts";

const Entries = z.array(z.object({ key: z.string(), value: z.string() })).openapi("ConfigurationEntries");

const Environment = z.object({
  "jvm": z.object({ "version": z.string(), "arch": z.string(), "options": z.array(z.string()) }),
  "classpath": z.array(z.string()),
}).openapi("Environment");

const Logs = z.object({ "logs": z.array(z.object({ "name": z.string(), "size": Count, "mtime": Millis })) })
  .openapi("Logs");

const ThreadDump = z.object({
  "threadInfos": z.array(z.object({ "threadName": z.string(), "stringifiedThreadInfo": z.string() })),
}).openapi("ThreadDump");

const Resource = z.object({
  "cpuCores": z.number(),
  "taskHeapMemory": z.number(),
  "taskOffHeapMemory": z.number(),
  "managedMemory": z.number(),
  "networkMemory": z.number(),
  "extendedResources": z.object({}),
});

const taskManagerShape = {
  "id": z.string(),
  "path": z.string(),
  "dataPort": Count,
  "jmxPort": Count,
  "timeSinceLastHeartbeat": Millis,
  "slotsNumber": Count,
  "freeSlots": Count,
  "totalResource": Resource,
  "freeResource": Resource,
  "hardware": z.object({ "cpuCores": Count, "physicalMemory": Count, "freeMemory": Count, "managedMemory": Count }),
  "memoryConfiguration": z.object({}),
  "blocked": z.boolean(),
};

const TaskManager = z.object(taskManagerShape).openapi("TaskManager");

const TaskManagerDetail = z.object({
  ...taskManagerShape,
  "metrics": z.object({
    "heapUsed": Count,
    "heapCommitted": Count,
    "heapMax": Count,
    "nonHeapUsed": Count,
    "nonHeapCommitted": Count,
    "nonHeapMax": Count,
    "directCount": Count,
    "directUsed": Count,
    "directMax": Count,
    "mappedCount": Count,
    "mappedUsed": Count,
    "mappedMax": Count,
    "memorySegmentsAvailable": Count,
    "memorySegmentsTotal": Count,
    "garbageCollectors": z.array(z.object({ "name": z.string(), "count": Count, "time": Count })),
  }),
  "allocatedSlots": z.array(z.object({ "jobId": z.string(), "resource": Resource })),
}).openapi("TaskManagerDetail");

const TaskManagerParams = z.object({ taskManagerId: z.string() });

/** A path that answers with text. */
function textRoute<const P extends string>(path: P, summary: string) {
  return createRoute({
    method: "get",
    path,
    summary,
    responses: { 200: { description: "Text.", content: { "text/plain": { schema: z.string() } } } },
  });
}

const jobmanagerConfigRoute = createRoute({
  method: "get",
  path: "/jobmanager/config",
  summary: "The configuration of the job that was started last, secrets masked",
  responses: { 200: json(Entries, "What is set.") },
});

const jobJobmanagerConfigRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/jobmanager/config",
  summary: "The configuration of a job, secrets masked",
  request: { params: JobParams },
  responses: { 200: json(Entries, "What is set.") },
});

const environmentRoute = createRoute({
  method: "get",
  path: "/jobmanager/environment",
  summary: "What the process runs on",
  responses: { 200: json(Environment, "Runtime.") },
});

const jobEnvironmentRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/jobmanager/environment",
  summary: "What the process of a job runs on",
  request: { params: JobParams },
  responses: { 200: json(Environment, "Runtime.") },
});

const jobmanagerLogsRoute = createRoute({
  method: "get",
  path: "/jobmanager/logs",
  summary: "Log files: there are none",
  responses: { 200: json(Logs, "Nothing.") },
});

const jobmanagerThreadsRoute = createRoute({
  method: "get",
  path: "/jobmanager/thread-dump",
  summary: "Threads: everything runs on one",
  responses: { 200: json(ThreadDump, "One thread, without its stack.") },
});

const taskmanagersRoute = createRoute({
  method: "get",
  path: "/taskmanagers",
  summary: "Processes that do the work: there is one",
  responses: { 200: json(z.object({ "taskmanagers": z.array(TaskManager) }), "This process.") },
});

const taskmanagerRoute = createRoute({
  method: "get",
  path: "/taskmanagers/{taskManagerId}",
  summary: "This process",
  request: { params: TaskManagerParams },
  responses: { 200: json(TaskManagerDetail, "Memory and slots.") },
});

const taskmanagerLogsRoute = createRoute({
  method: "get",
  path: "/taskmanagers/{taskManagerId}/logs",
  summary: "Log files: there are none",
  request: { params: TaskManagerParams },
  responses: { 200: json(Logs, "Nothing.") },
});

const taskmanagerThreadsRoute = createRoute({
  method: "get",
  path: "/taskmanagers/{taskManagerId}/thread-dump",
  summary: "Threads: everything runs on one",
  request: { params: TaskManagerParams },
  responses: { 200: json(ThreadDump, "One thread, without its stack.") },
});

const jobmanagerTexts = [
  textRoute("/jobmanager/log", "The log: it is not kept"),
  textRoute("/jobmanager/stdout", "Standard output: it is not kept"),
] as const;

const taskmanagerTexts = [
  textRoute("/taskmanagers/{taskManagerId}/log", "The log: it is not kept"),
  textRoute("/taskmanagers/{taskManagerId}/stdout", "Standard output: it is not kept"),
] as const;

const NOT_KEPT =
  "Nothing is kept here: the log goes to standard error of the process, output to its standard output.\n";
const THREADS = { "threadInfos": [{ "threadName": "main", "stringifiedThreadInfo": '"main"\n' }] };
/** Nothing of this is divided up between operators. */
const NO_RESOURCE = {
  "cpuCores": 0,
  "taskHeapMemory": 0,
  "taskOffHeapMemory": 0,
  "managedMemory": 0,
  "networkMemory": 0,
  "extendedResources": {},
};

/** Adds them. */
export function processRoutes(app: ApiApp, context: ApiContext): void {
  jobmanagerRoutes(app, context);
  taskmanagerRoutes(app, context);
}

function jobmanagerRoutes(app: ApiApp, context: ApiContext): void {
  app.openapi(jobmanagerConfigRoute, (c) => c.json(entriesOf(context.jobs.all().at(-1)?.configuration ?? []), 200));
  app.openapi(jobJobmanagerConfigRoute, (c) => {
    return c.json(entriesOf(listedJob(context, c.req.valid("param").jobId).configuration), 200);
  });
  app.openapi(environmentRoute, (c) => c.json(environment(), 200));
  app.openapi(jobEnvironmentRoute, (c) => {
    listedJob(context, c.req.valid("param").jobId);
    return c.json(environment(), 200);
  });
  app.openapi(jobmanagerLogsRoute, (c) => c.json({ "logs": [] }, 200));
  app.openapi(jobmanagerThreadsRoute, (c) => c.json(THREADS, 200));
  for (const route of jobmanagerTexts) app.openapi(route, (c) => c.text(NOT_KEPT, 200));
}

function taskmanagerRoutes(app: ApiApp, context: ApiContext): void {
  app.openapi(taskmanagersRoute, (c) => c.json({ "taskmanagers": [taskManager(context)] }, 200));
  app.openapi(taskmanagerRoute, (c) => {
    checkWorker(c.req.valid("param").taskManagerId);
    const live = context.jobs.all().filter(({ job }) => job.status().endedMs === null);
    const allocatedSlots = live.flatMap(({ job }) => {
      return Array.from({ length: slotsOfJob(job.status()) }, () => ({ "jobId": job.id, "resource": NO_RESOURCE }));
    });
    return c.json({ ...taskManager(context), "metrics": memoryFigures(), allocatedSlots }, 200);
  });
  app.openapi(taskmanagerLogsRoute, (c) => {
    checkWorker(c.req.valid("param").taskManagerId);
    return c.json({ "logs": [] }, 200);
  });
  app.openapi(taskmanagerThreadsRoute, (c) => {
    checkWorker(c.req.valid("param").taskManagerId);
    return c.json(THREADS, 200);
  });
  for (const route of taskmanagerTexts) {
    app.openapi(route, (c) => {
      checkWorker(c.req.param("taskManagerId"));
      return c.text(NOT_KEPT, 200);
    });
  }
}

function entriesOf(shown: readonly { readonly key: string; readonly value: string }[]): z.infer<typeof Entries> {
  return shown.map(({ key, value }) => ({ key, value }));
}

function environment(): z.infer<typeof Environment> {
  const [runtime, version] = Object.entries(process.versions).find(([name]) => name === "deno" || name === "bun") ??
    ["node", process.versions.node];
  return {
    "jvm": { "version": `Weir ${WEIR_VERSION} on ${runtime} ${version}`, "arch": process.arch, "options": [] },
    "classpath": [],
  };
}

function taskManager({ jobs }: ApiContext): z.infer<typeof TaskManager> {
  const { totalBytes } = managedMemory(jobs);
  const { total, taken } = slotsOf(jobs);
  return {
    "id": WORKER_ID,
    "path": WORKER_ID,
    "dataPort": -1,
    "jmxPort": -1,
    "timeSinceLastHeartbeat": 0,
    "slotsNumber": total,
    "freeSlots": total - taken,
    "totalResource": NO_RESOURCE,
    "freeResource": NO_RESOURCE,
    "hardware": { "cpuCores": -1, "physicalMemory": -1, "freeMemory": -1, "managedMemory": totalBytes },
    "memoryConfiguration": {},
    "blocked": false,
  };
}

/** Memory of the process; -1 or 0 for what only a JVM has. */
function memoryFigures(): z.infer<typeof TaskManagerDetail>["metrics"] {
  const { heapUsedBytes, heapCommittedBytes, externalBytes, residentBytes } = processMemory();
  const other = Math.max(0, residentBytes - heapCommittedBytes - externalBytes);
  return {
    "heapUsed": heapUsedBytes,
    "heapCommitted": heapCommittedBytes,
    "heapMax": -1,
    "nonHeapUsed": other,
    "nonHeapCommitted": other,
    "nonHeapMax": -1,
    "directCount": 0,
    "directUsed": externalBytes,
    "directMax": -1,
    "mappedCount": 0,
    "mappedUsed": 0,
    "mappedMax": 0,
    "memorySegmentsAvailable": 0,
    "memorySegmentsTotal": 0,
    "garbageCollectors": [],
  };
}
