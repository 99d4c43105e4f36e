import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { commandOf, readArguments } from "../../../control/cli/command_arguments.ts";
import { COMMANDS } from "../../../control/cli/commands.ts";
import { commandText, usageText } from "../../../control/cli/usage.ts";
import { weir } from "./cli_rig.ts";

test("readArguments() gives positionals, values, switches, repeated flags and what follows --", () => {
  const args = readArguments(commandOf("check"), [
    "chk-1",
    "--allow",
    "net",
    "pipeline.ts",
    "--allow=write=out",
    "--json",
    "--",
    "--rate",
    "5",
  ]);
  deepEqual([args.positionals, args.rest], [["chk-1", "pipeline.ts"], ["--rate", "5"]]);
  deepEqual([args.texts("allow"), args.has("json"), args.text("key")], [["net", "write=out"], true, undefined]);
  const stop = readArguments(commandOf("stop"), ["job", "-d", "dir", "--format", "native", "--drain"]);
  deepEqual([stop.text("directory"), stop.text("format"), stop.has("drain")], ["dir", "native", true]);
});

test("a wrong command line ends with exit code 2, the reason and where help is, and sends nothing", async () => {
  const cases: [string[], RegExp][] = [
    [["lst"], /^Cannot run "lst": there is no such command; did you mean list\? See weir --help\n$/],
    [["frobnicate"], /there is no such command; see weir --help/],
    [["list", "x"], /Cannot use argument "x": it is one too many; see weir list --help/],
    [["dispose"], /Cannot run dispose: it needs <path>; see weir dispose --help/],
    [["stop", "--drains"], /Cannot use --drains: stop has no such flag; did you mean --drain\? See weir stop --help/],
    [["stop", "--drain=yes"], /Cannot use --drain=yes: the flag stands alone/],
    [["stop", "--directory"], /Cannot use --directory: it needs a value/],
    [["stop", "--directory", "--drain"], /Cannot use --directory: it needs a value/],
    [["savepoint", "--format", "binary"], /Cannot use --format "binary": it must be one of canonical, native/],
    [["inspect", "a", "--", "b"], /Cannot use "b": inspect takes nothing behind --/],
    [["list", "--url", "a", "--url", "b"], /Cannot use --url twice/],
    [["list", "--url", "nowhere"], /Cannot use --url "nowhere": it must be like http:\/\/127\.0\.0\.1:8081/],
    [["list", "--timeout", "soon"], /Cannot use --timeout "soon": it must be a duration above 0; write 30s or 5min/],
    [["list", "--timeout", "0"], /duration above 0/],
    [["list", "--token", "a", "--token-file", "b"], /Cannot use --token and --token-file together/],
    [["checkpoint", "--full", "--incremental"], /Cannot use --full and --incremental together/],
    [["gc", "/x", "--force", "--dry-run"], /Cannot use --force and --dry-run together/],
    [["gc", "/x", "--older-than", "old"], /Cannot use --older-than "old": it must be a duration; write 7d or 12h/],
  ];
  for (const [argv, pattern] of cases) {
    const { code, out, err, requests } = await weir(argv);
    equal(code, 2, argv.join(" "));
    match(err, pattern);
    deepEqual([out, requests], ["", []]);
  }
});

test("weir without a command prints the usage on standard error and ends with exit code 2", async () => {
  const { code, out, err } = await weir([]);
  deepEqual([code, out, err], [2, "", `${usageText()}\n`]);
});

test("--help of the program and of each command is printed on standard output, whatever else is there", async () => {
  for (const argv of [["--help"], ["-h"], ["help"]]) {
    const { code, out } = await weir(argv);
    deepEqual([code, out], [0, `${usageText()}\n`]);
  }
  for (const command of COMMANDS) {
    ok(usageText().includes(`  ${command.name} `) || usageText().includes(`  ${command.name}\n`), command.name);
    for (const argv of [["help", command.name], [command.name, "--help"], [command.name, "--nonsense", "-h"]]) {
      const { code, out } = await weir(argv);
      deepEqual([code, out], [0, `${commandText(command)}\n`]);
    }
    for (const line of `${usageText()}\n${commandText(command)}`.split("\n")) ok(line.length <= 120, line);
  }
});

test("every command can be loaded", async () => {
  for (const command of COMMANDS) equal(typeof await command.load(), "function", command.name);
});
