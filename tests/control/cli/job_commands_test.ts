import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { acknowledgedText } from "../../../control/cli/operation_wait.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { MemoryFileSystem } from "../../support/memory_file_system.ts";
import { type Reply, type Request, weir } from "./cli_rig.ts";
import { FLIGHTS, ORDERS, OVERVIEW, scriptedServer } from "./scripted_server.ts";

function sent(requests: readonly Request[], method: string): Request[] {
  return requests.filter(({ what }) => what.startsWith(method));
}

test("weir list prints a table on a terminal, lines with tabs in a pipe, one document with --json", async () => {
  const server = scriptedServer();
  equal(
    (await weir(["list"], { server, outputIsTerminal: true })).out,
    [
      "JOB                               STATE       STARTED (UTC)              FOR  TASKS  NAME",
      `${ORDERS}  RUNNING     2023-11-14 22:13:20  1 min 5 s    3/4  orders`,
      `${FLIGHTS}  RESTARTING  2020-09-13 12:26:40      1.2 s    0/2  flights`,
      "",
    ].join("\n"),
  );
  const lines = [
    `${ORDERS}\tRUNNING\t2023-11-14 22:13:20\torders`,
    `${FLIGHTS}\tRESTARTING\t2020-09-13 12:26:40\tflights`,
  ];
  equal((await weir(["list"], { server })).out, lines.join("\n") + "\n");
  const { jobs } = JSON.parse((await weir(["list", "--json"], { server })).out);
  deepEqual(jobs.map(({ id, state }: Record<string, unknown>) => [id, state]), [[ORDERS, "RUNNING"], [
    FLIGHTS,
    "RESTARTING",
  ]]);
  equal((await weir(["list"], { server: scriptedServer({ jobs: [] }) })).out, "");
});

test("weir list shows no line breaks and escapes of a job's name", async () => {
  const server = () => ({ json: { jobs: [{ ...OVERVIEW[0], name: "a\x1b[31m\nb\tc" }] } });
  equal((await weir(["list"], { server })).out.split("\t").at(-1), "a [31m b c\n");
});

test("weir savepoint prints the path alone, and names its request by itself", async () => {
  const { code, out, err, requests } = await weir(["savepoint", "orders", "/sp"], { server: scriptedServer() });
  deepEqual([code, out, err], [0, "/sp/savepoint-aaaaaa-1\n", ""]);
  const [post] = sent(requests, "POST");
  equal(post!.what, `POST /jobs/${ORDERS}/savepoints`);
  const { triggerId, ...body } = post!.body as Record<string, unknown>;
  deepEqual(body, { "target-directory": "/sp", "cancel-job": false, formatType: "CANONICAL" });
  match(String(triggerId), /^[0-9a-f]{32}$/);
  equal(requests.at(-1)!.what, `GET /jobs/${ORDERS}/savepoints/${triggerId}`);
});

test("weir savepoint without a directory sends none; with a directory alone it takes the only job", async () => {
  const one = { server: scriptedServer({ jobs: ["flights"] }) };
  const bodies = [];
  for (const argv of [["savepoint"], ["savepoint", "sp/here"], ["savepoint", "flights", "--format", "native"]]) {
    const { requests } = await weir(argv, one);
    const [post] = sent(requests, "POST");
    equal(post!.what, `POST /jobs/${FLIGHTS}/savepoints`);
    const { "target-directory": directory, formatType } = post!.body as Record<string, unknown>;
    bodies.push([directory, formatType]);
  }
  deepEqual(bodies, [[undefined, "CANONICAL"], ["sp/here", "CANONICAL"], [undefined, "NATIVE"]]);
});

test("weir savepoint takes an argument with a slash for a job that is called so", async () => {
  const server = scriptedServer({
    before: ({ what }) =>
      what === "GET /jobs/overview" ? { json: { jobs: [{ ...OVERVIEW[0], name: "a/b" }] } } : undefined,
  });
  const { requests } = await weir(["savepoint", "a/b"], { server });
  deepEqual("target-directory" in (requests[1]!.body as object), false);
});

test("weir stop sends what Flink's stop takes, and prints the path", async () => {
  const argv = ["stop", ORDERS, "--drain", "--directory", "/sp", "--format", "native"];
  const { code, out, requests } = await weir(argv, { server: scriptedServer() });
  deepEqual([code, out], [0, "/sp/savepoint-aaaaaa-1\n"]);
  const [post] = sent(requests, "POST");
  const { triggerId, ...body } = post!.body as Record<string, unknown>;
  equal(post!.what, `POST /jobs/${ORDERS}/stop`);
  deepEqual(body, { targetDirectory: "/sp", drain: true, formatType: "NATIVE" });
  equal(requests.at(-1)!.what, `GET /jobs/${ORDERS}/savepoints/${triggerId}`);
  const [plain] = sent((await weir(["stop", "orders"], { server: scriptedServer() })).requests, "POST");
  const { triggerId: _, ...rest } = plain!.body as Record<string, unknown>;
  deepEqual(rest, { drain: false, formatType: "CANONICAL" });
});

test("weir checkpoint prints the path of what it has taken, or its id when there is none or it is no longer known", async () => {
  const types = [];
  for (const flags of [[], ["--full"], ["--incremental"]]) {
    const server = scriptedServer({ operation: { checkpointId: 7 } });
    const { code, out, requests } = await weir(["checkpoint", "orders", ...flags], { server });
    deepEqual([code, out], [0, "/ck/chk-7\n"]);
    types.push((sent(requests, "POST")[0]!.body as Record<string, unknown>)["checkpointType"]);
  }
  deepEqual(types, ["CONFIGURED", "FULL", "INCREMENTAL"]);
  const details: Reply[] = [{ json: { id: 7, external_path: null } }, { status: 404, json: { errors: ["gone"] } }];
  for (const reply of details) {
    const server = scriptedServer({
      operation: { checkpointId: 7 },
      before: ({ what }) => what.includes("/details/") ? reply : undefined,
    });
    equal((await weir(["checkpoint", "orders"], { server })).out, "checkpoint 7\n");
  }
});

test("--json prints one document with job, request and result", async () => {
  const { out } = await weir(["savepoint", "orders", "--json"], { server: scriptedServer() });
  const { requestId, ...document } = JSON.parse(out);
  deepEqual(document, { job: ORDERS, path: "/sp/savepoint-aaaaaa-1" });
  match(requestId, /^[0-9a-f]{32}$/);
});

test("--detached prints the id of the request, and does not wait", async () => {
  for (const command of ["savepoint", "stop", "checkpoint"]) {
    const { code, out, requests } = await weir([command, "orders", "--detached"], { server: scriptedServer() });
    equal(code, 0);
    deepEqual(requests.length, 2);
    equal(out, `${(requests[1]!.body as { triggerId: string }).triggerId}\n`);
  }
});

test("an operation that fails is told in a line, without the server's stack, with exit code 1", async () => {
  const stack =
    "StreamError: Cannot take a savepoint: the disk is full\n    at Job.x (job.ts:1:1)\n  at y\nCaused by: ENOSPC";
  const cases: [unknown, string][] = [
    [
      { "failure-cause": { class: "StreamError", "stack-trace": stack } },
      "Cannot take a savepoint: the disk is full\nCaused by: ENOSPC",
    ],
    [{ "failure-cause": { class: "Error" } }, "Error"],
    [{ failureCause: { "stack-trace": "Error: no" } }, "no"],
  ];
  for (const [operation, text] of cases) {
    const { code, out, err } = await weir(["savepoint", "orders"], { server: scriptedServer({ operation }) });
    deepEqual([code, out, err], [1, "", `The savepoint of "orders" has failed: ${text}\n`]);
  }
});

test("an operation is asked about after 10 ms, then after twice as long each time, up to 2 s", async () => {
  const clock = new ManualClock();
  const at: number[] = [];
  const server = scriptedServer({
    polls: 11,
    before: ({ what }) => {
      if (/savepoints\/\w+$/.test(what) && what.startsWith("GET")) at.push(clock.nowMs());
      return undefined;
    },
  });
  equal((await weir(["savepoint", "orders"], { server, clock })).code, 0);
  const pauses = at.slice(1).map((ms, index) => ms - at[index]!);
  deepEqual(pauses, [10, 20, 40, 80, 160, 320, 640, 1_280, 2_000, 2_000, 2_000]);
});

test("progress is drawn on one line of a terminal and taken away at the end; a pipe sees none of it", async () => {
  const { err, out } = await weir(["savepoint", "orders"], {
    server: scriptedServer({ polls: 4 }),
    screenIsTerminal: true,
  });
  ok(err.startsWith('\r\x1b[2Ksavepoint of "orders": 1 of 4 subtasks, 0.0 s\r\x1b[2K'), JSON.stringify(err));
  ok(err.endsWith("\r\x1b[2K") && !err.includes("\n"), JSON.stringify(err));
  equal(out, "/sp/savepoint-aaaaaa-1\n");
  const piped = await weir(["savepoint", "orders"], { server: scriptedServer({ polls: 4 }) });
  equal(piped.err, "");
  ok(!piped.requests.some(({ what }) => what === `GET /jobs/${ORDERS}/checkpoints`));
});

test("progress is that of the savepoint, also when a checkpoint is under way", () => {
  const one = (status: string, acknowledged: number, isSavepoint: boolean) => ({
    status,
    num_subtasks: 4,
    num_acknowledged_subtasks: acknowledged,
    is_savepoint: isSavepoint,
  });
  const cases: [unknown, string][] = [
    [{ history: [one("IN_PROGRESS", 1, false), one("IN_PROGRESS", 3, true)] }, "3 of 4 subtasks, "],
    [{ history: [one("COMPLETED", 4, true), one("IN_PROGRESS", 2, false)] }, "2 of 4 subtasks, "],
    [{ history: [one("COMPLETED", 4, true)] }, ""],
    [{}, ""],
  ];
  for (const [statistics, text] of cases) equal(acknowledgedText(statistics), text);
});

test("progress that cannot be had does not end the wait for the result", async () => {
  const server = scriptedServer({
    before: ({ what }) =>
      what === `GET /jobs/${ORDERS}/checkpoints` ? { status: 500, json: { errors: ["x"] } } : undefined,
  });
  const { code, err } = await weir(["savepoint", "orders"], { server, screenIsTerminal: true });
  equal(code, 0);
  match(err, /savepoint of "orders": 0\.0 s/);
});

test("a request that starts an operation is sent again under the same id when no answer came", async () => {
  let lost = 2;
  const server = scriptedServer({
    before: ({ what }) => what.startsWith("POST") && lost-- > 0 ? "no answer" : undefined,
  });
  const { code, requests } = await weir(["savepoint", "orders"], { server });
  const posts = sent(requests, "POST");
  equal(code, 0);
  equal(posts.length, 3);
  deepEqual(new Set(posts.map(({ body }) => (body as { triggerId: string }).triggerId)).size, 1);
});

test("a poll without an answer is sent again, and when none comes any more it is said that the end is not known", async () => {
  const cut = (times: number) => {
    let left = times;
    return scriptedServer({
      before: ({ what }) => /^GET .*savepoints\/\w+$/.test(what) && left-- > 0 ? "no answer" : undefined,
    });
  };
  equal((await weir(["stop", "orders"], { server: cut(4) })).code, 0);
  const { code, out, err } = await weir(["stop", "orders"], { server: cut(5) });
  deepEqual([code, out], [1, ""]);
  match(
    err,
    /^Cannot learn how the stop of "orders" ended: Cannot ask http:\/\/127\.0\.0\.1:8081: nothing listens there/,
  );
});

test("what may not be sent twice is not: a cancel, nor the first request of all", async () => {
  for (const argv of [["list"], ["status"], ["savepoint"], ["cancel"]]) {
    const { code, err, requests } = await weir(argv);
    deepEqual([code, requests.length], [1, 1], argv[0]);
    equal(
      err,
      "Cannot ask http://127.0.0.1:8081: nothing listens there; start the job with -Drest.port=8081, or say with " +
        "--url where it listens\n",
    );
  }
  const server = scriptedServer({ before: ({ what }) => what.startsWith("PATCH") ? "no answer" : undefined });
  equal(sent((await weir(["cancel", "orders"], { server })).requests, "PATCH").length, 1);
});

test("weir cancel waits until the job has ended, also when its server is gone before it has told", async () => {
  const { code, out, err, requests } = await weir(["cancel", "orders"], { server: scriptedServer() });
  deepEqual([code, out, err], [0, "", `Cancelled "orders" (${ORDERS})\n`]);
  equal(sent(requests, "PATCH")[0]!.what, `PATCH /jobs/${ORDERS}?mode=cancel`);
  const gone = scriptedServer({ before: ({ what }) => what.endsWith("/status") ? "no answer" : undefined });
  deepEqual(
    (await weir(["cancel", "orders", "--json"], { server: gone })).out,
    `${JSON.stringify({ job: ORDERS, state: "CANCELED" }, null, 2)}\n`,
  );
  const detached = await weir(["cancel", "orders", "--detached"], { server: scriptedServer() });
  deepEqual([detached.err, detached.requests.length], [`Cancelling "orders" (${ORDERS})\n`, 2]);
});

test("weir dispose waits for the deletion", async () => {
  const { code, err, requests } = await weir(["dispose", "/sp/x"], { server: scriptedServer({ operation: {} }) });
  deepEqual([code, err], [0, 'Deleted "/sp/x"\n']);
  equal((requests[0]!.body as Record<string, unknown>)["savepoint-path"], "/sp/x");
  const refused = {
    operation: { "failure-cause": { class: "StreamError", "stack-trace": "StreamError: Cannot delete" } },
  };
  const failed = await weir(["dispose", "/sp/x"], { server: scriptedServer(refused) });
  deepEqual([failed.code, failed.err], [1, 'The disposal of "/sp/x" has failed: Cannot delete\n']);
});

test("an error of the server is told with its texts and its status", async () => {
  const server = () => ({ status: 404, json: { errors: ["Job aaaa not found", "\n  at x"] } });
  const { code, err } = await weir(["list"], { server });
  deepEqual([code, err], [1, "Job aaaa not found (404)\n"]);
  const other = await weir(["list"], { server: () => ({ status: 502, text: "<html>" }) });
  equal(other.err, "Cannot GET /jobs/overview: the answer is empty (502)\n");
  const html = await weir(["list"], { server: () => ({ text: "<html>" }) });
  match(html.err, /^Cannot read the answer of http:\/\/127\.0\.0\.1:8081\/jobs\/overview: it is not JSON/);
});

test("the token comes from a flag, a file or the environment, and a refusal says where to give one", async () => {
  const fileSystem = new MemoryFileSystem();
  const file = await fileSystem.create("/token", "truncate");
  await file.write(new TextEncoder().encode("from-file\n"));
  await file.close();
  const environment = { WEIR_REST_AUTH_TOKEN: "from-environment" };
  const cases: [string[], string | null][] = [
    [[], "from-environment"],
    [["--token", "from-flag"], "from-flag"],
    [["--token-file", "/token"], "from-file"],
  ];
  for (const [flags, token] of cases) {
    const { requests } = await weir(["list", ...flags], { server: scriptedServer(), environment, fileSystem });
    equal(requests[0]!.token, token);
  }
  const refusing = () => ({ status: 401, json: { errors: ["a token is needed"] } });
  equal((await weir(["list"], { server: scriptedServer() })).requests[0]!.token, null);
  match((await weir(["list"], { server: refusing })).err, /a token is needed \(401\); give one with --token-file/);
  match((await weir(["list", "--token", "x"], { server: refusing })).err, /it may be wrong/);
  const missing = await weir(["list", "--token-file", "/none"], { fileSystem });
  deepEqual([missing.code, missing.requests.length], [2, 0]);
  match(missing.err, /^Cannot use --token-file "\/none"/);
});

test("the server is that of --url, else of WEIR_REST_URL", async () => {
  const urls: [string[], Record<string, string>, string][] = [
    [["--url", "http://host:9/base/"], { WEIR_REST_URL: "http://other" }, "GET /base/jobs/overview"],
    [[], { WEIR_REST_URL: "http://other/v1" }, "GET /v1/jobs/overview"],
  ];
  for (const [flags, environment, what] of urls) {
    equal((await weir(["list", ...flags], { environment })).requests[0]!.what, what);
  }
});

test("an answer that does not come is given up after 30 s, the wait for a result at --timeout", async () => {
  const clock = new ManualClock();
  const { code, err } = await weir(["list"], { server: () => "never", clock });
  deepEqual([code, clock.nowMs()], [1, 30_000]);
  match(err, /no answer within 30000 ms/);
  const slow = new ManualClock();
  const waited = await weir(["savepoint", "orders", "--timeout", "3s"], {
    server: scriptedServer({ polls: 1_000 }),
    clock: slow,
  });
  deepEqual([waited.code, slow.nowMs()], [1, 3_000]);
  match(
    waited.err,
    /^Cannot wait any longer: the time given by --timeout is over; the savepoint of "orders" goes on as request \w{32}\n$/,
  );
});

test("Ctrl-C ends the wait with exit code 130 and says what goes on", async () => {
  const { code, out, err } = await weir(["savepoint", "orders"], {
    server: scriptedServer({ polls: 1_000 }),
    interruptAtMs: 5_000,
  });
  deepEqual([code, out], [130, ""]);
  match(err, /^Interrupted: the savepoint of "orders" goes on as request \w{32}\n$/);
});
