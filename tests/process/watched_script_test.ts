import { equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startScript } from "./running_script.ts";

const SCRIPT = fileURLToPath(new URL("./watched_script.ts", import.meta.url));

const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  startScript(SCRIPT, args, { env });

test("a script prints its help on standard output and ends with exit code 0", async () => {
  const { printed, exitCode } = start(["--help"]);
  equal(await exitCode, 0);
  match(printed.out, /^Usage: watched_script\.ts \[flags\]/);
  equal(printed.err, "");
});

test("wrong arguments, variables and options end a script with exit code 2 and a message without a stack", async () => {
  const cases: [string[], Record<string, string>, RegExp][] = [
    [["--rte", "5"], {}, /^Cannot use --rte: there is no such flag; did you mean --rate\? See --help\n$/],
    [["-Dparalelism.default=4"], {}, /^Cannot use option "paralelism\.default" from the command line: .*\n$/],
    [[], { WEIR_PARALELISM_DEFAULT: "4" }, /^Cannot use environment variable WEIR_PARALELISM_DEFAULT: .*\n$/],
    [["--config", "no-such.yaml"], {}, /^Cannot read configuration file "no-such\.yaml": there is no such file\n$/],
  ];
  for (const [args, env, message] of cases) {
    const { printed, exitCode } = start(args, env);
    equal(await exitCode, 2);
    match(printed.err, message);
    equal(printed.out, "");
  }
});

test("SIGINT and SIGTERM end a job gracefully with exit code 130; twice at once counts once", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const watched = start(["--rate", "7", "-p", "3", "--stop-ms", "100"]);
    await watched.until("out", "ready rate=7 parallelism=3");
    watched.kill(signal);
    watched.kill(signal);
    equal(await watched.exitCode, 130);
    match(watched.printed.err, /^Stopping after a last checkpoint.*\nwatched stopped after/);
  }
});

test("another SIGINT more than 500 ms later ends a job at once", { timeout: 20_000 }, async () => {
  const watched = start(["--stop-ms", "600000"]);
  await watched.until("out", "ready");
  watched.kill("SIGINT");
  await watched.until("err", "Stopping");
  await new Promise((resolve) => setTimeout(resolve, 600));
  watched.kill("SIGINT");
  equal(await watched.exitCode, 130);
  match(watched.printed.err, /Ending at once\nwatched cancelled after/);
  ok(!watched.printed.err.includes("Error"), watched.printed.err);
});
