import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { openHttpApi } from "../../control/http.ts";
import type { Answer, ListenAddress, Listening } from "../../control/http/listener.ts";
import { AFTERTHOUGHT_MS, CLOSE_GRACE_MS, LINGER_MS } from "../../control/http/server.ts";
import { UsageError } from "../../control/usage_error.ts";
import { Configuration } from "../../core/config.ts";
import { StreamError } from "../../core/errors.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { JOB, OTHER_JOB, sampleView, ScriptedJob } from "./scripted_job.ts";

/** A machine without a network: who listens where, and what they answer. */
class Network {
  readonly clock: ManualClock = new ManualClock();
  readonly listening: Map<number, Answer> = new Map();
  /** Whether somebody has begun to ask and does not go on. */
  hasSlowClient = false;
  #freePort = 40_000;

  async open(job: ScriptedJob, port: number, entries: Record<string, unknown> = {}) {
    return await openHttpApi({
      configuration: Configuration.of({
        "rest.port": port,
        "execution.checkpointing.savepoint-dir": "/savepoints",
        ...entries,
      }),
      jobId: job.id,
      ports: {
        clock: this.clock,
        random: new SeededRandom(3),
        fileSystem: new MemoryFileSystem(() => this.clock.nowMs()),
        jobLock: { acquire: () => Promise.reject(new Error("no lock is asked for")) },
      },
      listenOn: (address, answer) => this.#listen(address, answer),
    });
  }

  /** Status and body of an answer; null when nobody listens. */
  async ask(port: number, path: string, init: RequestInit = {}): Promise<readonly [number, string] | null> {
    const answer = this.listening.get(port);
    if (answer === undefined) return null;
    const headers = { "host": `127.0.0.1:${port}`, "content-type": "application/json" };
    const response = await answer(new Request(`http://127.0.0.1:${port}${path}`, { headers, ...init }));
    return [response.status, await response.text()];
  }

  #listen({ port: asked }: ListenAddress, answer: Answer): Listening {
    const port = asked === 0 ? this.#freePort++ : asked;
    if (this.listening.has(port)) throw new UsageError("the port is in use");
    this.listening.set(port, answer);
    let end = () => {};
    const ended = new Promise<void>((resolve) => end = resolve);
    return {
      port,
      close: () => {
        this.listening.delete(port);
        if (!this.hasSlowClient) end();
        return ended;
      },
      abort: () => end(),
    };
  }
}

const ID = "1234567890abcdef1234567890abcdef";
const STOP = { method: "POST", body: JSON.stringify({ triggerId: ID }) };
const SAVEPOINT = {
  path: "/savepoints/savepoint-1",
  checkpointId: 1,
  format: "canonical",
  sizeBytes: 1,
  durationMs: 1,
} as const;

test("two jobs that ask for one port share a server, and are listed and controlled separately", async () => {
  const network = new Network();
  const first = new ScriptedJob();
  const second = new ScriptedJob(sampleView(OTHER_JOB, "other"));
  const [one, two] = await Promise.all([network.open(first, 8081), network.open(second, 8081)]);
  equal(one.url, "http://127.0.0.1:8081");
  equal(two.url, one.url);
  one.show(first);
  two.show(second);
  const ids = JSON.parse((await network.ask(8081, "/jobs"))?.[1] ?? "");
  deepEqual(ids, { jobs: [{ id: JOB, status: "RUNNING" }, { id: OTHER_JOB, status: "RUNNING" }] });
  equal((await network.ask(8081, `/jobs/${OTHER_JOB}`, { method: "PATCH" }))?.[0], 202);
  deepEqual([first.calls, second.calls], [[], [{ name: "cancel" }]]);
  // One that has ended stays listed as long as the other lives.
  second.end("cancelled", 5);
  await network.clock.settle();
  match((await network.ask(8081, "/jobs"))?.[1] ?? "", /CANCELED/);
  first.end("finished", 6);
  await one.ended;
  equal(network.listening.size, 0);
});

test("port 0 takes a free port, one for all jobs that ask so", async () => {
  const network = new Network();
  const first = new ScriptedJob();
  const second = new ScriptedJob(sampleView(OTHER_JOB));
  const one = await network.open(first, 0);
  const two = await network.open(second, 0);
  deepEqual([one.url, two.url], ["http://127.0.0.1:40000", "http://127.0.0.1:40000"]);
  one.giveBack();
  two.giveBack();
  await two.ended;
});

test("a second job with the id of a live one is refused, and may start once that has ended", async () => {
  const network = new Network();
  const keeper = new ScriptedJob(sampleView(OTHER_JOB));
  const kept = await network.open(keeper, 8082);
  const job = new ScriptedJob();
  const place = await network.open(job, 8082);
  const again = () => network.open(new ScriptedJob(), 8082);
  const isRefused = (error: unknown) => error instanceof StreamError && /one with this id runs/.test(error.message);
  await rejects(again(), isRefused);
  place.show(job);
  await rejects(again(), isRefused);
  job.end("finished", 5);
  await network.clock.settle();
  const next = new ScriptedJob();
  const restarted = await again();
  restarted.show(next);
  equal((await network.ask(8082, `/jobs/${JOB}`, { method: "PATCH" }))?.[0], 202);
  deepEqual([job.calls, next.calls], [[], [{ name: "cancel" }]]);
  next.end("cancelled", 6);
  kept.giveBack();
  await kept.ended;
});

test("jobs that share a server must agree about its options", async () => {
  const network = new Network();
  const place = await network.open(new ScriptedJob(), 8083);
  const other = new ScriptedJob(sampleView(OTHER_JOB));
  const differs = network.open(other, 8083, { "rest.auth.token": "0123456789abcdef" });
  await rejects(differs, (error) => error instanceof UsageError && /other options/.test(error.message));
  place.giveBack();
  await place.ended;
});

test("a place that is given back ends the server, and the port is free for the next", async () => {
  const network = new Network();
  const place = await network.open(new ScriptedJob(), 8084);
  place.giveBack();
  await place.ended;
  equal(network.listening.size, 0);
  const next = await network.open(new ScriptedJob(), 8084);
  next.giveBack();
  await next.ended;
  equal(network.clock.scheduledCount, 0);
});

test("the server ends with the last job at once when nobody waits for a result", async () => {
  const network = new Network();
  const job = new ScriptedJob();
  const place = await network.open(job, 8085);
  place.show(job);
  await network.ask(8085, "/jobs");
  job.end("failed", 5);
  await place.ended;
  equal(network.clock.scheduledCount, 0);
});

test("a client that polls after a stop gets its answer, and the server ends soon after", async () => {
  const network = new Network();
  const job = new ScriptedJob();
  const place = await network.open(job, 8086);
  place.show(job);
  equal((await network.ask(8086, `/jobs/${JOB}/stop`, STOP))?.[0], 202);
  job.stops[0]?.resolve(SAVEPOINT);
  job.end("stopped", 5);
  await network.clock.settle();
  network.clock.advance(LINGER_MS - 1_000);
  match((await network.ask(8086, `/jobs/${JOB}/savepoints/${ID}`))?.[1] ?? "", /"location"/);
  // Time for a last look at the job.
  match((await network.ask(8086, `/jobs/${JOB}/status`))?.[1] ?? "", /FINISHED/);
  network.clock.advance(AFTERTHOUGHT_MS);
  await place.ended;
  deepEqual([network.listening.size, network.clock.scheduledCount], [0, 0]);
});

test("a result that nobody has asked for in a long time does not keep the server", async () => {
  const network = new Network();
  const job = new ScriptedJob();
  const place = await network.open(job, 8087);
  place.show(job);
  await network.ask(8087, `/jobs/${JOB}/savepoints`, STOP);
  job.savepoints[0]?.resolve(SAVEPOINT);
  await network.clock.settle();
  network.clock.advance(LINGER_MS + 1);
  job.end("stopped", 5);
  await network.clock.settle();
  network.clock.advance(AFTERTHOUGHT_MS);
  await place.ended;
  deepEqual([network.listening.size, network.clock.scheduledCount], [0, 0]);
});

test("a result that nobody reads keeps the server no longer than the linger, also one that never comes", async () => {
  for (const settles of [true, false]) {
    const network = new Network();
    const job = new ScriptedJob();
    const place = await network.open(job, 8087);
    place.show(job);
    await network.ask(8087, `/jobs/${JOB}/stop`, STOP);
    if (settles) job.stops[0]?.resolve(SAVEPOINT);
    job.end("stopped", 5);
    await network.clock.settle();
    network.clock.advance(LINGER_MS - 1);
    ok(await network.ask(8087, "/healthz") !== null);
    network.clock.advance(1);
    await place.ended;
    deepEqual([network.listening.size, network.clock.scheduledCount], [0, 0]);
  }
});

test("a client that does not finish its request does not keep the server", async () => {
  const network = new Network();
  network.hasSlowClient = true;
  const job = new ScriptedJob();
  const place = await network.open(job, 8090);
  place.show(job);
  job.end("finished", 5);
  await network.clock.settle();
  equal(network.clock.scheduledCount, 1);
  network.clock.advance(CLOSE_GRACE_MS);
  await place.ended;
});

test("a job that starts while the server lingers keeps it", async () => {
  const network = new Network();
  const job = new ScriptedJob();
  const place = await network.open(job, 8088);
  place.show(job);
  await network.ask(8088, `/jobs/${JOB}/stop`, STOP);
  job.end("stopped", 5);
  await network.clock.settle();
  const next = new ScriptedJob(sampleView(OTHER_JOB));
  const second = await network.open(next, 8088);
  second.show(next);
  network.clock.advance(2 * LINGER_MS);
  await network.clock.settle();
  equal((await network.ask(8088, "/healthz"))?.[0], 200);
  next.end("finished", 6);
  await network.clock.settle();
  // The first one's result has waited long enough, the second has just ended.
  network.clock.advance(LINGER_MS);
  await second.ended;
});

test("a port that cannot be had is an error before the job starts, and does not stay in the way", async () => {
  const network = new Network();
  network.listening.set(8089, () => new Response());
  await rejects(network.open(new ScriptedJob(), 8089), /port is in use/);
  network.listening.delete(8089);
  const place = await network.open(new ScriptedJob(), 8089);
  place.giveBack();
  await place.ended;
});
