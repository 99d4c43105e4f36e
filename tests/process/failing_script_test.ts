import { deepEqual, equal, match, ok } from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type RunningScript, startScript } from "./running_script.ts";

const SCRIPT = fileURLToPath(new URL("./failing_script.ts", import.meta.url));
const TIMEOUT = { timeout: 60_000 };

async function ended(
  args: readonly string[],
  { env = {}, permissions }: { env?: Record<string, string>; permissions?: readonly string[] } = {},
): Promise<RunningScript["printed"] & { readonly code: number | null }> {
  const cwd = mkdtempSync(join(tmpdir(), "weir-failing-"));
  try {
    mkdirSync(join(cwd, "out"));
    writeFileSync(join(cwd, "out/part-1-0-0.jsonl"), "1\n");
    writeFileSync(join(cwd, "malformed.jsonl"), '1\n{"a":1\n');
    const { printed, exitCode } = startScript(SCRIPT, args, { env, cwd, ...permissions && { permissions } });
    return { code: await exitCode, ...printed };
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

/** What follows the summary. */
const toldOf = (printed: string) =>
  printed.split("\n").slice(printed.split("\n").findIndex((line) => /records/.test(line)) + 1);

test("a failed job ends its script with exit code 1, one message and the script's own lines", TIMEOUT, async () => {
  const cases: [mode: string, message: RegExp, line: RegExp | null][] = [
    ["path", /^Operator "numbers" failed in subtask 0: Cannot read "no-such-file\.jsonl": there is no such file/, null],
    ["line", /^Operator "numbers" failed .*: Cannot read "malformed\.jsonl" line 2, column 7: unexpected end/, null],
    ["function", /^Operator "map-1" failed at record 1 .*: two is too much$/, /failing_script\.ts:\d+:\d+/],
  ];
  for (const [mode, message, line] of cases) {
    const { code, err } = await ended(["--mode", mode]);
    equal(code, 1, err);
    const told = toldOf(err);
    match(told[0] ?? "", message);
    equal(err.split(told[0]!).length, 2, `once: ${err}`);
    const frames = told.filter((text) => /^\s+at /.test(text));
    if (line !== null) match(frames[0] ?? "", line);
    ok(frames.every((frame) => frame.includes("failing_script.ts")), err);
    equal(told.includes("  caused by: there was one already"), mode === "function", err);
    deepEqual(told.slice(-2), ["Run with --stack to see the whole stack", ""]);
    ok(err.split("\n").length < 10, err);
  }
});

test("what is refused in a promise that nobody waits for fails the job that runs", TIMEOUT, async () => {
  const { code, err } = await ended(["--mode", "promise"]);
  equal(code, 1, err);
  match(err, /^Cannot use state after the record has passed$/m);
});

test("--stack shows the whole stack of a failure, with that of its causes", TIMEOUT, async () => {
  const { code, err } = await ended(["--mode", "function", "--stack"]);
  equal(code, 1);
  match(err, /runtime\/operators\/source_operator\.ts/);
  match(err, /\[cause\]: TypeError: two is too much[^]*\[cause\]: Error: there was one already/);
});

test("a failure that a script catches is the script's: it has the error with its cause", TIMEOUT, async () => {
  const { out, err } = await ended(["--mode", "function", "--catch"]);
  equal(out, "caught OperatorError TypeError\n");
  ok(!err.includes("two is too much"), err);
});

test("an error that is not of the engine is shown by the runtime as ever", TIMEOUT, async () => {
  const { code, err } = await ended(["--mode", "foreign"]);
  equal(code, 1);
  match(err, /Error: not of the engine|error.*: not of the engine/);
  match(err, /failing_script\.ts/);
});

test(
  "a pipeline that cannot run as it is configured ends with exit code 2 and the message alone",
  TIMEOUT,
  async () => {
    const cases: [args: string[], message: RegExp][] = [
      [
        ["--from", "latest"],
        /^Cannot start "failing" from its latest checkpoint: .*; set execution\.checkpointing\.interval .*\n$/,
      ],
      [["-Dpipeline.max-parallelism=2", "-p", "4"], /^Cannot use parallelism 4: .*\n$/],
      [
        ["--mode", "unreplayable", "-Dexecution.checkpointing.interval=1s"],
        /^Cannot take checkpoints of source "numbers": .*\n$/,
      ],
    ];
    for (const [args, message] of cases) {
      const { code, err } = await ended(args);
      match(err, message);
      equal(code, 2);
    }
  },
);

test("a name that is taken ends a script with exit code 2 and the line that says it again", TIMEOUT, async () => {
  const { code, err } = await ended(["--mode", "names"]);
  equal(code, 2);
  match(
    err,
    /^Cannot add a second operator named "numbers": .*\n\s+at .*failing_script\.ts:\d+:\d+.*\nRun with --stack .*\n$/,
  );
});

test("a folder for checkpoints that cannot be used is named with the option that sets it", TIMEOUT, async () => {
  const { code, err } = await ended([
    "-Dexecution.checkpointing.interval=1s",
    "-Dexecution.checkpointing.dir=malformed.jsonl/chk",
  ], { permissions: ["--allow-env", "--allow-read", "--allow-write"] });
  equal(code, 1);
  match(
    toldOf(err)[0] ?? "",
    /^Cannot use "malformed\.jsonl\/chk\/.*\(ENOTDIR\).*; choose another with execution\.checkpointing\.dir$/,
  );
});

test(
  "a folder with files of an earlier run is refused with advice that holds without checkpoints",
  TIMEOUT,
  async () => {
    const { code, err } = await ended(["--mode", "folder"], {
      permissions: ["--allow-env", "--allow-read", "--allow-write"],
    });
    equal(code, 1);
    match(
      err,
      /"out" holds "part-1-0-0\.jsonl" of an earlier run, must hold no parts; empty the folder, .* where checkpoints are on, go on with --from latest$/m,
    );
  },
);

test("execute() says which options have new names, also where they come from the environment", TIMEOUT, async () => {
  const { code, err } = await ended(["-Dstate.backend.local-recovery=true"]);
  equal(code, 2, err);
  const renamed = await ended(["-Dstate.checkpoints.num-retained=3"], {
    env: { WEIR_STATE_CHECKPOINTS_DIR: "chk" },
  });
  equal(renamed.code, 0, renamed.err);
  match(
    renamed.err,
    /^warning: Option "state\.checkpoints\.num-retained" \(the command line\) has a new name: "execution\.checkpointing\.num-retained"$/m,
  );
  match(renamed.err, /^warning: Option "state\.checkpoints\.dir" \(the environment\) has a new name: /m);
});

test("execute() says in one line what it was not allowed to look at", {
  ...TIMEOUT,
  skip: "Deno" in globalThis ? false : "Bun has no permissions",
}, async () => {
  const firstLine = async (permissions: readonly string[]) => (await ended([], { permissions })).err.split("\n")[0];
  const told =
    "info: Started without --allow-read=weir.yaml and --allow-env: weir.yaml and WEIR_… variables were not looked at";
  equal(await firstLine([]), told);
  equal(
    await firstLine(["--allow-env"]),
    "info: Started without --allow-read=weir.yaml: weir.yaml was not looked at",
  );
  match(await firstLine(["--allow-env", "--allow-read"]) ?? "", /^failing finished in/);
});
