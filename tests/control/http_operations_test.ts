import { deepEqual, equal, match, ok } from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { StreamError } from "../../core/errors.ts";
import type { Savepoint } from "../../runtime/job_view.ts";
import { ApiRig } from "./http_rig.ts";
import { JOB, OTHER_JOB, sampleView, ScriptedJob } from "./scripted_job.ts";

const ID = "1234567890abcdef1234567890abcdef";
const SAVEPOINT: Savepoint = {
  path: "/savepoints/savepoint-aaaaaa-0123456789ab",
  checkpointId: 7,
  format: "canonical",
  sizeBytes: 100,
  durationMs: 5,
};
const IN_PROGRESS = { status: { id: "IN_PROGRESS" }, operation: null };

/** Starts something; the id of its operation. */
async function started(rig: ApiRig, path: string, body: unknown = {}, status = 202): Promise<string> {
  const answer = await rig.ask(path, { method: "POST", body });
  deepEqual([answer.status, status === answer.status ? null : answer.body], [status, null]);
  ok(typeof answer.body === "object" && answer.body !== null && "request-id" in answer.body);
  return String(answer.body["request-id"]);
}

function rigWithJob(options: ConstructorParameters<typeof ApiRig>[0] = {}): { rig: ApiRig; job: ScriptedJob } {
  const rig = new ApiRig(options);
  return { rig, job: rig.add(new ScriptedJob()) };
}

test("POST savepoints starts one, and the poll tells where it is once it is durable", async () => {
  const { rig, job } = rigWithJob();
  const id = await started(rig, `/jobs/${JOB}/savepoints`, {
    "target-directory": "/savepoints/mine",
    formatType: "NATIVE",
  });
  deepEqual(job.calls, [{ name: "savepoint", options: { directory: "/savepoints/mine", format: "native" } }]);
  deepEqual(await rig.get(`/jobs/${JOB}/savepoints/${id}`), IN_PROGRESS);
  job.savepoints[0]?.resolve(SAVEPOINT);
  await rig.clock.settle();
  deepEqual(await rig.get(`/jobs/${JOB}/savepoints/${id}`), {
    status: { id: "COMPLETED" },
    operation: { location: SAVEPOINT.path },
  });
  // It belongs to this job, and is no checkpoint.
  rig.add(new ScriptedJob(sampleView(OTHER_JOB)));
  await rig.refused(404, `/jobs/${OTHER_JOB}/savepoints/${id}`);
  await rig.refused(404, `/jobs/${JOB}/checkpoints/${id}`);
  await rig.refused(404, `/savepoint-disposal/${id}`);
});

test("an empty body counts as {}: the configured folder, canonical format", async () => {
  const { rig, job } = rigWithJob();
  equal((await rig.ask(`/jobs/${JOB}/savepoints`, { method: "POST" })).status, 202);
  equal((await rig.ask(`/jobs/${JOB}/savepoints`, { method: "POST", body: "" })).status, 202);
  const nulls = { "target-directory": null, "cancel-job": null, "formatType": null, "triggerId": null };
  equal((await rig.ask(`/jobs/${JOB}/savepoints`, { method: "POST", body: nulls })).status, 202);
  const call = { name: "savepoint", options: { directory: "/savepoints", format: "canonical" } };
  deepEqual(job.calls, [call, call, call]);
});

test("POST stop stops with a savepoint, with drain if asked; the savepoints path tells how it goes", async () => {
  const { rig, job } = rigWithJob();
  const body = { targetDirectory: "/checkpoints/x", drain: true, formatType: "canonical" };
  const id = await started(rig, `/jobs/${JOB}/stop`, body);
  deepEqual(job.calls, [
    { name: "stop", options: { directory: "/checkpoints/x", format: "canonical", drain: true } },
  ]);
  // Clients do not know from which folder a path of the job goes.
  job.stops[0]?.resolve({ ...SAVEPOINT, path: "./x/savepoint-1" });
  job.end("stopped", 11_000);
  await rig.clock.settle();
  deepEqual(await rig.get(`/jobs/${JOB}/savepoints/${id}`), {
    status: { id: "COMPLETED" },
    operation: { location: resolve("x/savepoint-1") },
  });
});

test("a savepoint with cancel-job stops the job with it", async () => {
  const { rig, job } = rigWithJob();
  await started(rig, `/jobs/${JOB}/savepoints`, { "cancel-job": true });
  deepEqual(job.calls, [{ name: "stop", options: { directory: "/savepoints", format: "canonical" } }]);
});

test("a failure is told by the poll with status 200, with frames only to who has the token", async () => {
  const token = "0123456789abcdef";
  for (const authorization of [null, `Bearer ${token}`]) {
    const rig = new ApiRig({ settings: { token: authorization === null ? null : token } });
    const job = rig.add(new ScriptedJob());
    const headers = { authorization };
    const ask = { method: "POST", body: { triggerId: ID }, headers };
    equal((await rig.ask(`/jobs/${JOB}/savepoints`, ask)).status, 202);
    const cause = new Error("disk is full");
    job.savepoints[0]?.reject(new StreamError("unavailable", "Cannot take a savepoint", { cause }));
    await rig.clock.settle();
    const { status, body } = await rig.ask(`/jobs/${JOB}/savepoints/${ID}`, { headers });
    equal(status, 200);
    const text = JSON.stringify(body);
    match(text, /"class":"StreamError","stack-trace":"StreamError: Cannot take a savepoint/);
    match(text, /Caused by: Error: disk is full/);
    match(text, /"serialized-throwable":"rO0ABX/);
    equal(text.includes("http_operations_test"), authorization !== null);
  }
});

test("the same triggerId starts nothing again, for the same job and kind, also after the end", async () => {
  const { rig, job } = rigWithJob();
  const other = rig.add(new ScriptedJob(sampleView(OTHER_JOB)));
  const body = { triggerId: ID };
  equal(await started(rig, `/jobs/${JOB}/savepoints`, body), ID);
  equal(await started(rig, `/jobs/${JOB}/savepoints`, body), ID);
  // A stop is polled where savepoints are: it shares their ids.
  equal(await started(rig, `/jobs/${JOB}/stop`, body), ID);
  equal(job.calls.length, 1);
  equal(await started(rig, `/jobs/${JOB}/checkpoints`, body), ID);
  equal(await started(rig, `/jobs/${JOB}/checkpoints`, body), ID);
  equal(job.calls.length, 2);
  equal(await started(rig, `/jobs/${OTHER_JOB}/savepoints`, body), ID);
  equal(other.calls.length, 1);
  equal(await started(rig, "/savepoint-disposal", { "savepoint-path": "/savepoints/a", ...body }, 200), ID);
  equal(await started(rig, "/savepoint-disposal", { "savepoint-path": "/savepoints/a", ...body }, 200), ID);
  deepEqual(rig.disposed, ["/savepoints/a"]);
  job.savepoints[0]?.resolve(SAVEPOINT);
  job.end("finished", 11_000);
  await rig.clock.settle();
  equal(await started(rig, `/jobs/${JOB}/stop`, body), ID);
  equal(job.calls.length, 2);
});

test("the same triggerId in two requests at once starts one operation", async () => {
  const { rig, job } = rigWithJob();
  const ask = () => started(rig, `/jobs/${JOB}/savepoints`, { "triggerId": ID, "target-directory": "/savepoints/a" });
  deepEqual(await Promise.all([ask(), ask(), ask()]), [ID, ID, ID]);
  equal(job.calls.length, 1);
});

test("results are kept for the store duration after the end, then unknown", async () => {
  const { rig, job } = rigWithJob({ settings: { storeDurationMs: 1_000 } });
  await started(rig, `/jobs/${JOB}/savepoints`, { triggerId: ID });
  // However long it takes.
  rig.clock.advance(50_000);
  deepEqual(await rig.get(`/jobs/${JOB}/savepoints/${ID}`), IN_PROGRESS);
  job.savepoints[0]?.resolve(SAVEPOINT);
  await rig.clock.settle();
  rig.clock.advance(999);
  await rig.get(`/jobs/${JOB}/savepoints/${ID}`);
  rig.clock.advance(1);
  await rig.refused(404, `/jobs/${JOB}/savepoints/${ID}`);
  equal(rig.operations.size, 0);
  equal(rig.clock.scheduledCount, 0);
});

test("operations are bounded: one more is refused with 503 until results are forgotten", async () => {
  const { rig, job } = rigWithJob({ operationLimit: 2 });
  for (let count = 0; count < 2; count++) await started(rig, `/jobs/${JOB}/savepoints`);
  await rig.refused(503, `/jobs/${JOB}/savepoints`, { method: "POST" });
  await rig.refused(503, `/jobs/${JOB}/checkpoints`, { method: "POST" });
  equal(job.calls.length, 2);
  job.savepoints[0]?.resolve(SAVEPOINT);
  await rig.clock.settle();
  rig.clock.advance(300_000);
  await started(rig, `/jobs/${JOB}/savepoints`);
});

test("where there is no room, the oldest result makes it, sooner one that was read; what is under way stays", async () => {
  const { rig, job } = rigWithJob({ operationLimit: 3 });
  const path = `/jobs/${JOB}/savepoints`;
  const ids = [await started(rig, path), await started(rig, path), await started(rig, path)];
  await rig.refused(503, path, { method: "POST" });
  for (const savepoint of job.savepoints.slice(0, 2)) savepoint.resolve(SAVEPOINT);
  await rig.clock.settle();
  await rig.get(`${path}/${ids[1]}`);
  await started(rig, path);
  await rig.refused(404, `${path}/${ids[1]}`);
  await started(rig, path);
  await rig.refused(404, `${path}/${ids[0]}`);
  await rig.refused(503, path, { method: "POST" });
  deepEqual(await rig.get(`${path}/${ids[2]}`), IN_PROGRESS);
  equal(rig.operations.size, 3);
});

test("POST checkpoints takes one of the kind that is asked for, and the poll tells its id", async () => {
  const { rig, job } = rigWithJob();
  for (const checkpointType of ["CONFIGURED", "FULL", "INCREMENTAL", "full", null]) {
    await started(rig, `/jobs/${JOB}/checkpoints`, { checkpointType });
  }
  deepEqual(job.calls.map((call) => "kind" in call && call.kind), [
    "configured",
    "full",
    "incremental",
    "full",
    "configured",
  ]);
  const id = await started(rig, `/jobs/${JOB}/checkpoints`);
  deepEqual(await rig.get(`/jobs/${JOB}/checkpoints/${id}`), IN_PROGRESS);
  // Only the id of what completed is looked at.
  job.checkpointsAsked[5]?.resolve(
    { metadata: { checkpointId: 42 } } as Parameters<
      NonNullable<typeof job.checkpointsAsked[0]>["resolve"]
    >[0],
  );
  await rig.clock.settle();
  deepEqual(await rig.get(`/jobs/${JOB}/checkpoints/${id}`), {
    status: { id: "COMPLETED" },
    operation: { checkpointId: 42 },
  });
  const failed = await started(rig, `/jobs/${JOB}/checkpoints`);
  job.checkpointsAsked[6]?.reject(new StreamError("invalid", "Cannot take a checkpoint: they are off"));
  await rig.clock.settle();
  match(JSON.stringify(await rig.get(`/jobs/${JOB}/checkpoints/${failed}`)), /"failureCause":\{"class":"StreamError"/);
});

test("POST savepoint-disposal deletes a savepoint, and the poll tells when or why not", async () => {
  const { rig } = rigWithJob();
  const id = await started(rig, "/savepoint-disposal", { "savepoint-path": "/savepoints/savepoint-1" }, 200);
  deepEqual(rig.disposed, ["/savepoints/savepoint-1"]);
  await rig.clock.settle();
  deepEqual(await rig.get(`/savepoint-disposal/${id}`), { status: { id: "COMPLETED" }, operation: {} });
  const failing = rigWithJob({
    context: { disposeSavepoint: () => Promise.reject(new StreamError("invalid", "Cannot dispose: it is none")) },
  }).rig;
  const other = await started(failing, "/savepoint-disposal", { "savepoint-path": "/savepoints/x" }, 200);
  await failing.clock.settle();
  match(JSON.stringify(await failing.get(`/savepoint-disposal/${other}`)), /"failure-cause":\{"class":"StreamError"/);
});

test("PATCH mode=cancel ends a job at once; of one that has ended it is 202 if cancelled, else 409", async () => {
  for (const query of ["", "?mode=cancel"]) {
    const { rig, job } = rigWithJob();
    deepEqual((await rig.ask(`/jobs/${JOB}${query}`, { method: "PATCH" })).status, 202);
    deepEqual(job.calls, [{ name: "cancel" }]);
    job.end("cancelled", 11_000);
    equal((await rig.ask(`/jobs/${JOB}${query}`, { method: "PATCH" })).status, 202);
    equal(job.calls.length, 1);
  }
  for (const end of ["finished", "stopped", "failed"] as const) {
    const { rig, job } = rigWithJob();
    job.end(end, 11_000);
    await rig.refused(409, `/jobs/${JOB}?mode=cancel`, { method: "PATCH" });
    equal(job.calls.length, 0);
  }
});

test("PATCH mode=stop is answered with 308, an unknown mode with 400", async () => {
  const { rig, job } = rigWithJob();
  const [message] = await rig.refused(308, `/jobs/${JOB}?mode=stop`, { method: "PATCH" });
  match(message ?? "", /POST .*stop/);
  await rig.refused(400, `/jobs/${JOB}?mode=kill`, { method: "PATCH" });
  await rig.refused(404, `/jobs/${OTHER_JOB}?mode=cancel`, { method: "PATCH" });
  deepEqual(job.calls, []);
});

test("DELETE /cluster cancels all live jobs, only where a token is configured", async () => {
  const { rig: open, job } = rigWithJob();
  await open.refused(403, "/cluster", { method: "DELETE" });
  deepEqual(job.calls, []);
  const token = "0123456789abcdef";
  const rig = new ApiRig({ settings: { token } });
  const live = rig.add(new ScriptedJob());
  const ended = rig.add(new ScriptedJob(sampleView(OTHER_JOB)));
  ended.end("finished", 11_000);
  equal((await rig.ask("/cluster", { method: "DELETE", headers: { authorization: `Bearer ${token}` } })).status, 200);
  deepEqual([live.calls, ended.calls], [[{ name: "cancel" }], []]);
});

test("what cannot be understood is refused with 400 and reaches no job", async () => {
  const { rig, job } = rigWithJob();
  const noFolder = rig.add(new ScriptedJob(sampleView(OTHER_JOB)), { savepointDirectory: null });
  const wrong: [string, unknown][] = [
    ["savepoints", "{"],
    ["savepoints", "[]"],
    ["savepoints", "null"],
    ["savepoints", '"x"'],
    ["savepoints", "1"],
    ["savepoints", { targetDirectory: "/savepoints/a" }],
    ["savepoints", { "target-directory": 5 }],
    ["savepoints", { "target-directory": "" }],
    ["savepoints", { "target-directory": "/savepoints/\0" }],
    ["savepoints", { "target-directory": "/savepoints/\x1b[2J" }],
    ["savepoints", { "target-directory": "s3://bucket/a" }],
    ["savepoints", { "target-directory": "x".repeat(5_000) }],
    ["savepoints", { "cancel-job": "true" }],
    ["savepoints", { formatType: "ZIP" }],
    ["savepoints", { formatType: 1 }],
    ["savepoints", { triggerId: "x" }],
    ["savepoints", { triggerId: ID.toUpperCase() }],
    ["savepoints", '{"__proto__": {"drain": true}}'],
    ["stop", { "target-directory": "/savepoints/a" }],
    ["stop", { drain: 1 }],
    ["stop", { triggerId: "../../etc" }],
    ["checkpoints", { checkpointType: "SAVEPOINT" }],
    ["checkpoints", { type: "FULL" }],
  ];
  for (const [path, body] of wrong) await rig.refused(400, `/jobs/${JOB}/${path}`, { method: "POST", body });
  for (const path of ["savepoints", "stop"]) {
    const [message] = await rig.refused(400, `/jobs/${OTHER_JOB}/${path}`, { method: "POST" });
    match(message ?? "", /no folder.*savepoint-dir/);
  }
  for (const body of [{}, { "savepoint-path": null }, { "savepoint-path": 1 }, { path: "/savepoints/a" }]) {
    await rig.refused(400, "/savepoint-disposal", { method: "POST", body });
  }
  for (const path of [`/jobs/${JOB}/savepoints/x`, `/jobs/${JOB}/checkpoints/1`, "/savepoint-disposal/x"]) {
    await rig.refused(400, path);
  }
  deepEqual([job.calls, noFolder.calls, rig.disposed, rig.operations.size], [[], [], [], 0]);
});

test("a job that has ended takes no savepoint, stop or checkpoint: 409", async () => {
  const { rig, job } = rigWithJob();
  job.end("finished", 11_000);
  for (const path of ["savepoints", "stop", "checkpoints"]) {
    await rig.refused(409, `/jobs/${JOB}/${path}`, { method: "POST" });
  }
  deepEqual([job.calls, rig.operations.size], [[], 0]);
});
