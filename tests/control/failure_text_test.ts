import { equal } from "node:assert/strict";
import { test } from "node:test";
import { failureText } from "../../control/failure_text.ts";
import { StreamError } from "../../core/errors.ts";

const ROOT = "/lib/weir/";

function withStack<E extends Error>(error: E, ...frames: readonly string[]): E {
  error.stack = [`${error.name}: ${error.message}`, ...frames.map((frame) => `    at ${frame}`)].join("\n");
  return error;
}

test("failureText says each message once, and not what the runtime says of a file", () => {
  const raw = withStack(Object.assign(new Error("ENOENT: no such file, stat 'a'"), { code: "ENOENT" }));
  const read = withStack(new StreamError("invalid", 'Cannot read "a": there is none', { cause: raw }));
  const failed = withStack(new StreamError("invalid", `Operator "in" failed: ${read.message}`, { cause: read }));
  equal(failureText(failed, ROOT), 'Operator "in" failed: Cannot read "a": there is none');
  const other = withStack(new Error("outer", { cause: withStack(new Error("inner", { cause: "a text" })) }));
  equal(failureText(other, ROOT), "outer\n  caused by: inner\n  caused by: a text");
  const circle = withStack(new Error("round"));
  circle.cause = circle;
  equal(failureText(circle, ROOT), "round");
  equal(failureText("no error at all", ROOT), "no error at all");
});

test("failureText shows the frames outside of Weir of the innermost error that has any", () => {
  const inner = withStack(
    new Error("inner"),
    "check (file:///home/me/a%20b/job.ts:3:9)",
    "MapOperator.collect (file:///lib/weir/runtime/operators/stateless.ts:21:21)",
    "ext:deno_node/timers.ts:1:1",
    "file:///home/me/node_modules/x/y.js:1:1",
    "node:internal/timers:5:3",
    "native",
    "/home/me/main.ts:7:1",
  );
  const outer = withStack(new Error("outer", { cause: inner }), "file:///home/me/main.ts:99:1");
  equal(
    failureText(outer, ROOT),
    "outer\n  caused by: inner\n    at check (file:///home/me/a%20b/job.ts:3:9)\n    at /home/me/main.ts:7:1",
  );
  const spaced = withStack(
    new Error("x"),
    "file:///home/me/a%20b/core/key.ts:1:1",
    "file:///home/me/a%20b/examples/x.ts:1:1",
  );
  equal(failureText(spaced, "/home/me/a b/"), "x\n    at file:///home/me/a%20b/examples/x.ts:1:1");
});

test("failureText cuts a deep recursion short", () => {
  const deep = withStack(new RangeError("too deep"), ...Array.from({ length: 50 }, () => "f (/home/me/job.ts:1:1)"));
  equal(failureText(deep, ROOT).split("\n").length, 11);
});
