import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { MAX_HEADER_LENGTH, MAX_URL_LENGTH } from "../../control/http/guard.ts";
import { ApiRig, type Ask } from "./http_rig.ts";
import { JOB, ScriptedJob } from "./scripted_job.ts";

const DASHBOARD = "http://localhost:4200";

/** Everything that changes a job, as a client would ask for it. */
const CHANGES: readonly [string, Ask][] = [
  [`/jobs/${JOB}/savepoints`, { method: "POST", body: {} }],
  [`/jobs/${JOB}/stop`, { method: "POST", body: {} }],
  [`/jobs/${JOB}/checkpoints`, { method: "POST", body: {} }],
  [`/jobs/${JOB}?mode=cancel`, { method: "PATCH" }],
  ["/savepoint-disposal", { method: "POST", body: { "savepoint-path": "/savepoints/a" } }],
  ["/cluster", { method: "DELETE" }],
];

function rigWithJob(options: ConstructorParameters<typeof ApiRig>[0] = {}): { rig: ApiRig; job: ScriptedJob } {
  const rig = new ApiRig(options);
  return { rig, job: rig.add(new ScriptedJob()) };
}

/** All changes, and a look, are refused so; none has reached the job. */
async function allRefused(
  status: number,
  headers: NonNullable<Ask["headers"]>,
  options: ConstructorParameters<typeof ApiRig>[0] = {},
): Promise<void> {
  const { rig, job } = rigWithJob(options);
  for (const [path, ask] of [...CHANGES, ["/jobs", {}] as [string, Ask]]) {
    for (const prefix of ["", "/v1"]) await rig.refused(status, prefix + path, { ...ask, headers });
  }
  deepEqual([job.calls, rig.disposed, rig.operations.size], [[], [], 0]);
}

test("a Host that is not of this machine is refused with 403: a web page under a name of its own reaches nothing", async () => {
  for (
    const host of ["evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"]
  ) {
    await allRefused(403, { host });
  }
});

test("a Host that is missing or malformed is refused with 400", async () => {
  for (const host of [null, "a b", "localhost:port", "[::1", "localhost:8081:1", "user@localhost"]) {
    await allRefused(400, { host });
  }
});

test("a Host of this machine is let in whatever its port, and so is the one that is configured", async () => {
  const { rig } = rigWithJob({ settings: { hosts: new Set(["localhost", "127.0.0.1", "[::1]", "box.local"]) } });
  for (const host of ["localhost", "LOCALHOST:9000", "127.0.0.1:8081", "[::1]:8081", "box.local:8081"]) {
    equal((await rig.ask("/jobs", { headers: { host } })).status, 200);
  }
});

test("where the API listens on every address, a Host may be any address and no further name", async () => {
  const token = "0123456789abcdef";
  const { rig } = rigWithJob({ settings: { listensEverywhere: true, token } });
  for (const host of ["10.0.0.1:8081", "192.168.1.5", "[fe80::1]:8081"]) {
    equal((await rig.ask("/jobs", { headers: { host, authorization: `Bearer ${token}` } })).status, 200);
  }
  for (const host of ["evil.example", "10.0.0.1.evil.example", "10.0.0.256"]) {
    await allRefused(403, { host, authorization: `Bearer ${token}` }, { settings: { listensEverywhere: true, token } });
  }
});

test("a foreign Origin is refused with 403, also for a plain look", async () => {
  for (const origin of ["http://evil.example", "null", "http://localhost:3000", "https://localhost:8081", ""]) {
    await allRefused(403, { origin });
  }
  await allRefused(403, { origin: `${DASHBOARD}.evil.example` }, { settings: { allowedOrigins: [DASHBOARD] } });
});

test("the own Origin and a listed one are let in, and only the listed one is told that it may read", async () => {
  const { rig } = rigWithJob({ settings: { allowedOrigins: [DASHBOARD] } });
  const own = await rig.ask("/jobs", { headers: { origin: "http://localhost:8081" } });
  deepEqual([own.status, own.headers.get("access-control-allow-origin")], [200, null]);
  const listed = await rig.ask("/jobs", { headers: { origin: DASHBOARD } });
  deepEqual([listed.status, listed.headers.get("access-control-allow-origin")], [200, DASHBOARD]);
  equal(listed.headers.get("vary"), "Origin");
  // Errors can be read, too.
  const error = await rig.ask("/no-such-path", { headers: { origin: DASHBOARD } });
  deepEqual([error.status, error.headers.get("access-control-allow-origin")], [404, DASHBOARD]);
  const locked = rigWithJob({ settings: { allowedOrigins: [DASHBOARD], token: "0123456789abcdef" } }).rig;
  const refusal = await locked.ask("/jobs", { headers: { origin: DASHBOARD } });
  deepEqual([refusal.status, refusal.headers.get("access-control-allow-origin")], [401, DASHBOARD]);
  deepEqual([refusal.headers.get("x-content-type-options"), refusal.headers.get("vary")], ["nosniff", "Origin"]);
});

test("a preflight is answered for a listed Origin only, also when there is a token", async () => {
  const { rig, job } = rigWithJob({ settings: { allowedOrigins: [DASHBOARD], token: "0123456789abcdef" } });
  const path = `/jobs/${JOB}?mode=cancel`;
  const ask = (origin: string): Ask => ({
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "PATCH", "access-control-request-headers": "authorization" },
  });
  const { status, headers, body } = await rig.ask(path, ask(DASHBOARD));
  deepEqual([status, body, headers.get("access-control-allow-origin")], [204, null, DASHBOARD]);
  match(headers.get("access-control-allow-methods") ?? "", /PATCH/);
  match(headers.get("access-control-allow-headers") ?? "", /Authorization/);
  await rig.refused(403, path, ask("http://evil.example"));
  await rig.refused(401, path, { method: "OPTIONS" });
  deepEqual(job.calls, []);
});

test("without the token everything is refused with 401 that tells how to send it", async () => {
  const options = { settings: { token: "0123456789abcdef" } };
  for (
    const authorization of [null, "", "Bearer", "Bearer wrong", "Bearer 0123456789abcde", "Token 0123456789abcdef"]
  ) {
    await allRefused(401, { authorization }, options);
  }
  const { rig } = rigWithJob(options);
  equal((await rig.ask("/jobs")).headers.get("www-authenticate"), "Bearer");
});

test("a body that is not JSON by its type is refused with 415: a form of a web page cannot send another", async () => {
  for (
    const type of [null, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"]
  ) {
    const { rig, job } = rigWithJob();
    for (const [path, ask] of CHANGES) {
      const body = JSON.stringify(ask.body ?? {});
      await rig.refused(415, path, { ...ask, body, headers: { "content-type": type } });
    }
    deepEqual([job.calls, rig.disposed], [[], []]);
  }
  const { rig } = rigWithJob();
  const headers = { "content-type": "application/json; charset=UTF-8" };
  equal((await rig.ask(`/jobs/${JOB}/savepoints`, { method: "POST", body: "{}", headers })).status, 202);
});

test("a huge body is refused with 413, whatever its length is said to be", async () => {
  const { rig, job } = rigWithJob();
  const body = `{"triggerId": "${"a".repeat(10_000)}"}`;
  for (const length of [null, "5", "20000", "x"]) {
    for (const [path, ask] of CHANGES) {
      await rig.refused(413, path, { ...ask, body, headers: { "content-length": length } });
    }
  }
  deepEqual([job.calls, rig.disposed], [[], []]);
});

test("a body that comes in pieces is read up to the limit and no further", async () => {
  const { rig } = rigWithJob();
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(1_000));
    },
  });
  const request = new Request(`http://localhost:8081/jobs/${JOB}/savepoints`, {
    method: "POST",
    body: endless,
    headers: { "host": "localhost:8081", "content-type": "application/json" },
    // Needed for a body that is a stream.
    ...{ duplex: "half" },
  });
  equal((await rig.app.fetch(request)).status, 413);
  ok(pulled < 20, `pulled ${pulled}`);
});

test("a long path or query is refused with 414, large headers with 431", async () => {
  const { rig } = rigWithJob();
  await rig.refused(414, `/jobs/${"a".repeat(MAX_URL_LENGTH)}`);
  await rig.refused(414, `/jobs?x=${"a".repeat(MAX_URL_LENGTH)}`);
  await rig.refused(431, "/jobs", { headers: { "x-filler": "a".repeat(MAX_HEADER_LENGTH) } });
});

test("a wrong method is refused with 405 that names the right ones, an unknown path with 404", async () => {
  const { rig, job } = rigWithJob();
  const wrong: [string, string, string][] = [
    ["POST", "/overview", "GET"],
    ["DELETE", `/jobs/${JOB}`, "GET, PATCH"],
    ["GET", `/jobs/${JOB}/stop`, "POST"],
    ["PUT", `/jobs/${JOB}/savepoints`, "POST"],
    ["GET", "/cluster", "DELETE"],
    ["OPTIONS", "/jobs", "GET"],
  ];
  for (const [method, path, allow] of wrong) {
    await rig.refused(405, path, { method });
    equal((await rig.ask(path, { method })).headers.get("allow"), allow);
  }
  // No Request can be made with these; the server of Deno hands them over nevertheless.
  for (const method of ["TRACE", "TRACK", "CONNECT", "get"]) {
    const request = new Request("http://localhost:8081/jobs", { headers: { host: "localhost:8081" } });
    Object.defineProperty(request, "method", { value: method });
    equal((await rig.app.fetch(request)).status, 405, method);
  }
  for (const path of ["/", "/v1", "/jobs/", `/jobs/${JOB}/`, `/jobs/${JOB}/nothing`, "//jobs", "/index.html"]) {
    await rig.refused(404, path);
  }
  deepEqual(job.calls, []);
});

test("answers are not to be guessed at or kept by browsers", async () => {
  const { headers } = await rigWithJob().rig.ask("/jobs");
  equal(headers.get("x-content-type-options"), "nosniff");
  equal(headers.get("cache-control"), "no-store");
});

test("an unexpected error is answered with 500 without its text, unless the client has the token", async () => {
  const broken = (rig: ApiRig): ApiRig => {
    const job = rig.add(new ScriptedJob());
    job.status = () => {
      throw new Error("secret detail of /home/me");
    };
    return rig;
  };
  deepEqual(await broken(new ApiRig()).refused(500, "/jobs"), ["Internal server error."]);
  const token = "0123456789abcdef";
  const known = await broken(new ApiRig({ settings: { token } })).ask("/jobs", {
    headers: { authorization: `Bearer ${token}` },
  });
  match(JSON.stringify(known.body), /secret detail/);
});
