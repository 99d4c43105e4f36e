import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { disposalOf } from "../../control/http/disposals.ts";
import { collectSink, type StreamEnvironment } from "../../mod.ts";
import { ALL, Batches, numbers, sorted } from "../support/batches_pipeline.ts";
import { CHECKPOINTS, TestWorld } from "../support/job_harness.ts";
import type { TestProcess, WorldConfig } from "../support/job_harness.ts";
import { type Answer, ApiRig, type Ask } from "./http_rig.ts";

/** What these tests look at in an answer. */
interface Body {
  readonly "jobs": readonly { readonly jid: string; readonly name: string; readonly state: string }[];
  readonly "status": unknown;
  readonly "request-id": string;
  readonly "operation": Readonly<Record<string, unknown>> | null;
  readonly "vertices": readonly { readonly id: string; readonly name: string; readonly status: string }[];
}

const POST = { method: "POST", body: {} };

/** A job in virtual time, and the API that shows it. */
class DrivenJob {
  readonly #rig: ApiRig;

  constructor(readonly process: TestProcess, rig: ApiRig) {
    this.#rig = rig;
  }

  get id(): string {
    return this.process.job.id;
  }

  /** An answer. It takes no time: what a request starts goes on later. */
  async ask(path: string, ask: Ask = {}): Promise<Answer> {
    return await this.#rig.ask(path, ask);
  }

  /** Drives the job until it runs, and on for so much virtual time. */
  async run(ms: number): Promise<void> {
    await this.process.until(() => this.process.job.status().state === "running");
    await this.process.forMs(ms);
  }

  /** The body of an answer with this status. */
  async body(status: number, path: string, ask: Ask = {}): Promise<Body> {
    const answer = await this.ask(path, ask);
    deepEqual([answer.status, answer.status === status ? null : answer.body], [status, null]);
    // Each test knows what it has asked for.
    return answer.body as Body;
  }

  /** Starts an operation and asks until it has ended, as `flink` does; what came of it. */
  async operation(path: string, ask: Ask, pollPath: string, status = 202): Promise<Body["operation"]> {
    const { "request-id": id } = await this.body(status, path, ask);
    for (let asked = 0; asked < 1_000; asked++) {
      const polled = await this.body(200, `${pollPath}/${id}`);
      if (JSON.stringify(polled.status) === '{"id":"COMPLETED"}') return polled.operation;
      await this.process.forMs(1);
    }
    throw new Error(`${path} does not end`);
  }
}

/** A world with folders for checkpoints and savepoints. */
function worldWith(config: WorldConfig = {}, seed = 1): TestWorld {
  return new TestWorld({ "execution.checkpointing.savepoint-dir": "/savepoints", ...config }, seed);
}

/** Starts a job and lists it in a new API, or in that of others. */
async function driven(
  world: TestWorld,
  build: (env: StreamEnvironment) => void,
  { argv = [], config = {}, rig }: { argv?: string[]; config?: Record<string, string | number>; rig?: ApiRig } = {},
): Promise<DrivenJob> {
  const process = await world.start(build, { argv, config });
  const api = rig ?? rigOf(world);
  api.add(process.job, { checkpointDirectory: CHECKPOINTS });
  return new DrivenJob(process, api);
}

function rigOf(world: TestWorld): ApiRig {
  const resolvePath = (path: string) => Promise.resolve(path);
  const jobLock = { acquire: () => Promise.reject(new Error("no lock is asked for")) };
  const rig: ApiRig = new ApiRig({
    clock: world.clock,
    context: {
      disposeSavepoint: (path) => disposalOf({ fileSystem: world.fileSystem, jobLock }, rig.jobs, resolvePath)(path),
    },
  });
  return rig;
}

/** What the dashboard of Flink asks while one looks at a job. */
async function dashboardAsks(job: DrivenJob): Promise<void> {
  const { jobs } = await job.body(200, "/jobs/overview");
  const path = `/jobs/${jobs[0]?.jid}`;
  const { vertices } = await job.body(200, path);
  const ofVertex = [
    "",
    "/subtasktimes",
    "/taskmanagers",
    "/watermarks",
    "/backpressure",
    "/accumulators",
    "/subtasks/accumulators",
    "/metrics",
    "/metrics?get=0.numRecordsIn,0.busyTimeMsPerSecond",
    "/subtasks/metrics?get=numRecordsOut&agg=min,max,sum",
  ];
  const asked = [
    "/config",
    "/overview",
    `${path}/exceptions?maxExceptions=10`,
    `${path}/config`,
    `${path}/accumulators`,
    `${path}/resource-requirements`,
    `${path}/checkpoints`,
    `${path}/checkpoints/config`,
    "/jobmanager/config",
    "/jobmanager/environment",
    "/jobmanager/metrics",
    "/jobmanager/logs",
    "/taskmanagers",
    ...vertices.flatMap(({ id }) => ofVertex.map((rest) => `${path}/vertices/${id}${rest}`)),
  ];
  for (const one of asked) equal((await job.ask(one)).status, 200, one);
}

test("a job is listed, taken a savepoint of and stopped as the flink command does it, and goes on from there", async () => {
  const world = worldWith();
  const batches = new Batches();
  const job = await driven(world, batches.build, { config: { "parallelism.default": 2 } });
  equal((await job.body(200, `/v1/jobs/${job.id}/status`)).status, "INITIALIZING");
  await dashboardAsks(job);
  await job.run(60);
  const { jobs } = await job.body(200, "/v1/jobs/overview");
  deepEqual(jobs.map(({ jid, name, state }) => [jid, name, state]), [[job.id, "test", "RUNNING"]]);
  await dashboardAsks(job);

  // flink savepoint <job>, flink savepoint -d <path>, flink checkpoint <job>
  const savepoints = `/v1/jobs/${job.id}/savepoints`;
  const taken = await job.operation(savepoints, { method: "POST", body: { "target-directory": null } }, savepoints);
  match(String(taken?.["location"]), /^\/savepoints\/savepoint-/);
  const disposal = { method: "POST", body: { "savepoint-path": taken?.["location"] } };
  deepEqual(await job.operation("/v1/savepoint-disposal", disposal, "/v1/savepoint-disposal", 200), {});
  deepEqual(await world.fileSystem.list("/savepoints"), []);
  const checkpoints = `/v1/jobs/${job.id}/checkpoints`;
  const checkpoint = await job.operation(
    checkpoints,
    { method: "POST", body: { checkpointType: "FULL" } },
    checkpoints,
  );
  ok(Number(checkpoint?.["checkpointId"]) > 1);

  // flink stop <job>
  const stopped = await job.operation(`/v1/jobs/${job.id}/stop`, POST, savepoints);
  equal((await job.body(200, `/v1/jobs/${job.id}/status`)).status, "FINISHED");
  await dashboardAsks(job);
  const result = await job.ask(`/v1/jobs/${job.id}/execution-result`);
  match(JSON.stringify(result.body), /"application-status":"SUCCEEDED"/);

  const next = await driven(world, batches.build, { argv: ["--from", String(stopped?.["location"])] });
  equal((await next.process.end()).kind, "ended");
  deepEqual(sorted(batches.out.values), ALL);
});

test("a drained job has emitted all that it held back, and its stop is a savepoint in the folder that was named", async () => {
  const world = worldWith();
  const batches = new Batches();
  const job = await driven(world, batches.build);
  await job.run(60);
  const ask = { method: "POST", body: { drain: true, targetDirectory: "/savepoints/mine", formatType: "CANONICAL" } };
  const drained = await job.operation(`/jobs/${job.id}/stop`, ask, `/jobs/${job.id}/savepoints`);
  match(String(drained?.["location"]), /^\/savepoints\/mine\/savepoint-/);
  const values = sorted(batches.out.values);
  ok(values.length > 30 && values.length < ALL.length, `${values.length} emitted`);
  deepEqual(values, ALL.slice(0, values.length));
});

test("two jobs in one process are listed and controlled separately", async () => {
  const world = worldWith();
  const first = await driven(world, new Batches().build, { config: { "pipeline.name": "first" } });
  const rig = rigOf(world);
  const one = new DrivenJob(first.process, rig);
  rig.add(first.process.job);
  const batches = new Batches();
  const other = worldWith();
  const two = await driven(other, batches.build, { config: { "pipeline.name": "second" }, rig });
  await one.run(50);
  await two.run(50);
  const states = async () => (await two.body(200, "/jobs/overview")).jobs.map(({ name, state }) => `${name} ${state}`);
  deepEqual(await states(), ["first RUNNING", "second RUNNING"]);
  equal((await one.ask(`/jobs/${one.id}`, { method: "PATCH" })).status, 202);
  equal((await one.process.end()).kind, "ended");
  deepEqual(await states(), ["first CANCELED", "second RUNNING"]);
  equal((await two.process.end()).kind, "ended");
  deepEqual(await states(), ["first CANCELED", "second FINISHED"]);
  deepEqual(sorted(batches.out.values), ALL);
});

test("a job that fails is shown with its failure, and one that restarts as running again", async () => {
  const world = worldWith();
  const batches = new Batches();
  batches.failAt.add(50).add(60);
  const fixed = { "restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": 1 };
  const job = await driven(world, batches.build, { config: fixed });
  await job.process.until(() => job.process.job.progress().restarts === 1);
  equal((await job.body(200, `/jobs/${job.id}/status`)).status, "RESTARTING");
  equal((await job.process.end()).kind, "failed");
  equal((await job.body(200, `/jobs/${job.id}/status`)).status, "FAILED");
  const { body } = await job.ask(`/jobs/${job.id}/exceptions`);
  match(JSON.stringify(body), /"root-exception":"OperatorError: .*batches.*fails at 60/);
  match(JSON.stringify((await job.ask(`/jobs/${job.id}/execution-result`)).body), /"failure-cause".*fails at 60/);
});

test("what a job cannot do is told by the operation, and the job goes on", async () => {
  const world = worldWith();
  const batches = new Batches();
  const job = await driven(world, batches.build);
  // It has not begun to run.
  const early = await job.operation(`/jobs/${job.id}/savepoints`, POST, `/jobs/${job.id}/savepoints`);
  match(JSON.stringify(early), /"failure-cause":\{"class":"StreamError","stack-trace":"StreamError: Cannot take/);
  const none = { method: "POST", body: { "savepoint-path": "/savepoints/none" } };
  const disposed = await job.operation("/savepoint-disposal", none, "/savepoint-disposal", 200);
  match(JSON.stringify(disposed), /"class":"DisposalRefusedError"/);
  await job.process.until(() => job.process.job.checkpoints.latestCompleted !== null);
  const own = job.process.job.checkpoints.latestCompleted?.externalPath;
  const inUse = { method: "POST", body: { "savepoint-path": own } };
  const kept = await job.operation("/savepoint-disposal", inUse, "/savepoint-disposal", 200);
  match(JSON.stringify(kept), /DisposalRefusedError.*stop that job first/);
  equal((await job.process.end()).kind, "ended");
  deepEqual(sorted(batches.out.values), ALL);
});

test("no refusal changes anything about a real job", async () => {
  const world = worldWith({ "execution.checkpointing.interval": undefined });
  const out = collectSink<number>();
  const job = await driven(world, (env) => env.fromSource("numbers", numbers(null)).sinkTo("out", out));
  await job.run(50);
  const before = job.process.job.status();
  const files = await world.fileSystem.list("/");
  const asks: [string, Ask][] = [
    [`/jobs/${job.id}/savepoints`, { method: "POST", body: { "target-directory": "/etc" } }],
    [`/jobs/${job.id}/savepoints`, { method: "POST", body: { "target-directory": "/savepoints/../x" } }],
    [`/jobs/${job.id}/stop`, { method: "POST", body: { drain: "yes" } }],
    [`/jobs/${job.id}/stop`, { method: "POST", body: {}, headers: { host: "evil.example" } }],
    [`/jobs/${job.id}/stop`, { method: "POST", body: {}, headers: { origin: "http://evil.example" } }],
    [`/jobs/${job.id}/stop`, { method: "POST", body: {}, headers: { "content-type": "text/plain" } }],
    [`/jobs/${job.id}/stop`, { method: "POST", body: { targetDirectory: "x".repeat(20_000) } }],
    [`/jobs/${job.id}?mode=stop`, { method: "PATCH" }],
    [`/jobs/${job.id}?mode=kill`, { method: "PATCH" }],
    [`/jobs/${job.id}`, { method: "DELETE" }],
    ["/cluster", { method: "DELETE" }],
    ["/savepoint-disposal", { method: "POST", body: { "savepoint-path": "/" } }],
  ];
  for (const [path, ask] of asks) {
    const { status } = await job.ask(path, ask);
    ok(status >= 300 && status < 500, `${path}: ${status}`);
  }
  const after = job.process.job.status();
  deepEqual([after.state, after.attempt, after.enteredMs], [before.state, before.attempt, before.enteredMs]);
  deepEqual(await world.fileSystem.list("/"), files);
  equal(job.process.job.checkpoints.counts.total, 0);
  equal((await job.ask(`/jobs/${job.id}`, { method: "PATCH" })).status, 202);
  equal((await job.process.end()).kind, "ended");
});
