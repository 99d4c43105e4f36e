import { deepEqual, equal, match, ok } from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type RunningScript, startScript } from "./running_script.ts";

const SCRIPT = fileURLToPath(new URL("./served_script.ts", import.meta.url));
const ON_BUN = "Deno" in globalThis ? false : "Bun has no permissions";
const FILES = ["--allow-env", "--allow-read", "--allow-write"];

/** A script that serves, with a folder for its savepoints. */
interface Served {
  readonly script: RunningScript;
  readonly url: string;
  readonly savepoints: string;
}

/** Starts the script on a free port, and ends it however the test goes. */
async function served(args: readonly string[], run: (served: Served) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "weir-http-"));
  const script = startScript(SCRIPT, [
    "-Drest.port=0",
    `-Dexecution.checkpointing.savepoint-dir=${folder}`,
    ...args,
  ], { permissions: [...FILES, "--allow-net=127.0.0.1"] });
  try {
    await script.until("err", "HTTP API at http://127.0.0.1:");
    await script.until("err", "\n");
    const url = /HTTP API at (http:\/\/127\.0\.0\.1:\d+)/.exec(script.printed.err)?.[1];
    ok(url !== undefined, script.printed.err);
    await run({ script, url, savepoints: folder });
  } finally {
    script.kill("SIGKILL");
    await script.exitCode;
    rmSync(folder, { recursive: true });
  }
}

/** What these tests look at in an answer. */
interface Body {
  readonly "jobs": readonly { readonly jid: string; readonly id: string; readonly state: string }[];
  readonly "status": { readonly id: string };
  readonly "request-id": string;
  readonly "operation": { readonly location: string };
}

async function ask(url: string, init: RequestInit = {}): Promise<{ status: number; body: Body }> {
  const response = await fetch(url, init);
  // Each test knows what it has asked for.
  return { status: response.status, body: await response.json() as Body };
}

const post = (body: unknown): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** Asks until the answer is as wanted; the last one. */
async function until<T>(look: () => Promise<T>, isDone: (found: T) => boolean): Promise<T> {
  for (;;) {
    const found = await look();
    if (isDone(found)) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a script with rest.port=0 is listed, takes a savepoint and stops with one, all over HTTP", {
  timeout: 60_000,
}, async () => {
  await served([], async ({ script, url, savepoints }) => {
    const { body: { jobs } } = await until(
      () => ask(`${url}/v1/jobs/overview`),
      ({ body }) => body.jobs[0]?.state === "RUNNING",
    );
    const job = `${url}/jobs/${jobs[0]?.jid}`;
    const isDone = ({ body }: { readonly body: Body }) => body.status.id === "COMPLETED";

    const taken = await ask(`${job}/savepoints`, post({ formatType: "NATIVE" }));
    equal(taken.status, 202);
    const savepoint = await until(() => ask(`${job}/savepoints/${taken.body["request-id"]}`), isDone);
    ok(savepoint.body.operation.location.includes("/savepoint-"), JSON.stringify(savepoint.body));
    const disposed = await ask(
      `${url}/savepoint-disposal`,
      post({ "savepoint-path": savepoint.body.operation.location }),
    );
    const end = await until(() => ask(`${url}/savepoint-disposal/${disposed.body["request-id"]}`), isDone);
    deepEqual(end.body.operation, {});

    const stopped = await ask(`${job}/stop`, post({}));
    const last = await until(() => ask(`${job}/savepoints/${stopped.body["request-id"]}`), isDone);
    ok(last.body.operation.location !== undefined, JSON.stringify(last.body));
    equal((await ask(`${job}/status`)).body.status, "FINISHED");
    equal(readdirSync(savepoints).length, 1);
    // All results have been read: it ends soon, long before it would without anybody asking.
    const endsAt = performance.now();
    await script.exitCode;
    match(script.printed.out, /ended stopped/);
    ok(performance.now() - endsAt < 5_000);
  });
});

test("a cancel over HTTP ends the script", { timeout: 60_000 }, async () => {
  await served([], async ({ script, url }) => {
    const { body } = await ask(`${url}/jobs`);
    equal((await ask(`${url}/jobs/${body.jobs[0]?.id}?mode=cancel`, { method: "PATCH" })).status, 202);
    equal(await script.exitCode, 130);
    match(script.printed.out, /ended cancelled/);
  });
});

test("a foreign Host and Origin are refused on a real socket, and nonsense ends no server", {
  timeout: 60_000,
}, async () => {
  await served([], async ({ script, url }) => {
    const port = Number(new URL(url).port);
    equal(await statusFor(port, { host: "evil.example" }), 403);
    equal(await statusFor(port, { host: `localhost:${port}`, origin: "http://evil.example" }), 403);
    equal(await statusFor(port, { host: `localhost:${port}` }), 200);
    const nonsense = [
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
      "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\nx",
      "POST /jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      "\x00\x01\x02\x03\r\n\r\n",
      "GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET //evil.example/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for (const text of nonsense) {
      const answer = await sent(port, text);
      ok(
        !/ (2|5)\d\d /.test(answer.split("\r\n")[0] ?? ""),
        `${JSON.stringify(text.slice(0, 60))}: ${answer.slice(0, 200)}`,
      );
    }
    equal((await ask(`${url}/jobs`)).status, 200);
    script.kill("SIGINT");
    equal(await script.exitCode, 130);
  });
});

test("a client that does not finish its request does not keep the script alive", { timeout: 60_000 }, async () => {
  await served([], async ({ script, url }) => {
    const port = Number(new URL(url).port);
    const { body } = await ask(`${url}/jobs`);
    const socket = connect(port, "127.0.0.1");
    const path = `/jobs/${body.jobs[0]?.id}/savepoints`;
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
    );
    socket.on("error", () => {});
    // Both of its parts have arrived when a later request is answered.
    await ask(`${url}/jobs`);
    equal((await ask(`${url}/jobs/${body.jobs[0]?.id}`, { method: "PATCH" })).status, 202);
    const cancelledAt = performance.now();
    equal(await script.exitCode, 130);
    const tookMs = performance.now() - cancelledAt;
    ok(tookMs < 8_000, `it took ${tookMs} ms`);
    socket.destroy();
  });
});

test("a port that is in use ends the script with a line that says so, before the job starts", {
  timeout: 60_000,
}, async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const address = taken.address();
  ok(typeof address === "object" && address !== null);
  const script = startScript(SCRIPT, [`-Drest.port=${address.port}`], {
    permissions: [...FILES, "--allow-net=127.0.0.1"],
  });
  equal(await script.exitCode, 2);
  match(script.printed.err, /Cannot serve the HTTP API on "127\.0\.0\.1:\d+": the port is in use.*set rest\.port/);
  equal(script.printed.out, "");
  await new Promise((resolve) => taken.close(resolve));
});

test("without the permission Deno's flag is named; without a token no other machine is served", {
  timeout: 60_000,
}, async () => {
  const cases: [string[], RegExp][] = [
    [["-Drest.port=0", "-Drest.bind-address=0.0.0.0"], /"0\.0\.0\.0".*token is needed/],
  ];
  if (ON_BUN === false) {
    cases.push([["-Drest.port=8081"], /Deno does not let it; add --allow-net=127\.0\.0\.1:8081/]);
  }
  for (const [args, message] of cases) {
    const script = startScript(SCRIPT, args, { permissions: FILES });
    equal(await script.exitCode, 2);
    match(script.printed.err, message);
  }
});

/** Status of GET /jobs with these headers. */
function statusFor(port: number, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, path: "/jobs", headers, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
    asking.on("error", reject);
    asking.end();
  });
}

/** What comes back for raw bytes, within half a second. */
function sent(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text, "latin1"));
    const timer = setTimeout(() => socket.destroy(), 500);
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
      socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}
