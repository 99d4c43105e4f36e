import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { helpText, readCommandLine } from "../../control/command_line.ts";
import { flagOf, type ScriptOptions } from "../../control/script_options.ts";
import { UsageError } from "../../control/usage_error.ts";

const OPTIONS = {
  rate: { type: "number", description: "records per second", min: 1 },
  outputFolder: { type: "string", default: "out/", description: "where to write" },
  format: { type: "string", choices: ["csv", "jsonl"], description: "file format" },
  verbose: { type: "boolean", description: "say more" },
} as const satisfies ScriptOptions;

function usage(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    ok(error instanceof UsageError, String(error));
    ok(pattern.test(error.message), error.message);
    return true;
  };
}

test("readCommandLine gives a script typed values for its flags, and defaults for absent ones", () => {
  const { scriptArgs } = readCommandLine(["--rate", "2000", "--verbose", "--format=csv"], OPTIONS);
  deepEqual({ ...scriptArgs }, { rate: 2000, outputFolder: "out/", format: "csv", verbose: true });
  const absent = readCommandLine([], OPTIONS).scriptArgs;
  // These four lines are also a test of the types.
  const rate: number | undefined = absent.rate;
  const folder: string = absent.outputFolder;
  const format: string | undefined = absent.format;
  const verbose: boolean = absent.verbose;
  deepEqual([rate, folder, format, verbose], [undefined, "out/", undefined, false]);
});

test("flagOf writes a camelCase name as a flag", () => {
  equal(flagOf("outputFolder"), "output-folder");
  equal(readCommandLine(["--output-folder", "x"], OPTIONS).scriptArgs.outputFolder, "x");
});

test("readCommandLine refuses values that a script option does not want", () => {
  const cases: [string[], RegExp][] = [
    [["--rate", "fast"], /--rate: value is "fast", must be a number of at least 1/],
    [["--rate", "0"], /at least 1/],
    [["--rate=-5"], /at least 1/],
    [["--rate="], /value is ""/],
    [["--rate"], /--rate: it needs a value/],
    [["--rate", "--verbose"], /--rate: it needs a value/],
    [["--format", "xml"], /must be one of csv, jsonl/],
    [["--verbose=maybe"], /the flag stands alone/],
  ];
  for (const [argv, pattern] of cases) throws(() => readCommandLine(argv, OPTIONS), usage(pattern), argv.join(" "));
});

test("readCommandLine turns the engine's flags into option entries, the last one wins", () => {
  const argv = ["-Da.b=1", "-D", "c.d = x=y", "--from", "latest", "-p", "4", "-Dparallelism.default=2", "-Da.b=3"];
  const { entries, configPath, help } = readCommandLine(argv, {});
  deepEqual(entries, {
    "a.b": "3",
    "c.d": " x=y",
    "execution.state-recovery.path": "latest",
    "parallelism.default": "2",
  });
  equal(configPath, undefined);
  equal(help, false);
  equal(readCommandLine(["--config", "my.yaml"], {}).configPath, "my.yaml");
  equal(readCommandLine(["--parallelism=8"], {}).entries["parallelism.default"], "8");
});

test("readCommandLine names the nearest flag of an unknown one", () => {
  throws(() => readCommandLine(["--rat", "5"], OPTIONS), usage(/--rat: there is no such flag; did you mean --rate\?/));
  throws(() => readCommandLine(["--paralelism", "5"], OPTIONS), usage(/did you mean --parallelism\?/));
  throws(() => readCommandLine(["--xyzzy"], OPTIONS), usage(/no such flag; see --help/));
  throws(() => readCommandLine(["-x"], OPTIONS), usage(/Cannot use -x/));
  throws(() => readCommandLine(["--define", "a=b"], OPTIONS), usage(/Cannot use --define/));
});

test("readCommandLine refuses stray arguments, and -D without a key and a value", () => {
  throws(() => readCommandLine(["input.txt"], OPTIONS), usage(/argument "input\.txt": it belongs to no flag/));
  throws(() => readCommandLine(["--", "x"], OPTIONS), usage(/argument "x"/));
  throws(() => readCommandLine(["-Dparallelism"], OPTIONS), usage(/-Dparallelism: it is not KEY=VALUE/));
  throws(() => readCommandLine(["-D=4"], OPTIONS), usage(/it is not KEY=VALUE/));
  throws(() => readCommandLine(["-D"], OPTIONS), usage(/it needs a value/));
});

test("readCommandLine refuses a script option that the engine has", () => {
  throws(() => readCommandLine([], { from: { type: "string", description: "x" } }), TypeError);
});

test("readCommandLine asks for help whatever else the flags say", () => {
  equal(readCommandLine(["--rate", "fast", "--help"], OPTIONS).help, true);
  equal(readCommandLine(["-h"], OPTIONS).help, true);
});

test("helpText lists the script's flags with limits and defaults, the engine's, and where the options are", () => {
  const text = helpText("flights.ts", OPTIONS);
  for (
    const pattern of [
      /^Usage: flights\.ts \[flags\]/,
      / {2}--rate N +records per second; a number of at least 1\n/,
      / {2}--output-folder TEXT +where to write; out\/ when absent\n/,
      / {2}--format csv\|jsonl +file format\n/,
      / {2}--verbose +say more\n/,
      / {2}--from latest\|PATH +\S/,
      / {2}-DKEY=VALUE +\S/,
      /docs\/configuration\.md$/,
    ]
  ) ok(pattern.test(text), `${pattern}\n${text}`);
  ok(!helpText("x.ts", {}).includes("Flags of this script"));
});

test("readCommandLine takes --allow-non-restored-state for the option that drops state nobody claims [249]", () => {
  const option = "execution.state-recovery.ignore-unclaimed-state";
  const { entries } = readCommandLine(["--from", "x", "--allow-non-restored-state"], {});
  deepEqual(entries, { "execution.state-recovery.path": "x", [option]: "true" });
  deepEqual(readCommandLine([], {}).entries, {});
  // Not taken for a yes.
  throws(() => readCommandLine(["--allow-non-restored-state=false"], {}), usage(/takes no value/));
});

test("readCommandLine knows --check, and help explains it", () => {
  deepEqual([readCommandLine(["--check"], {}).check, readCommandLine([], {}).check], [true, false]);
  ok(/^ {2}--check +only say whether this pipeline would restore/m.test(helpText("a.ts", {})));
});
