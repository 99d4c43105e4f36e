import { deepEqual, equal, ok } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { flightLines, flightReports } from "../support/flight_oracle.ts";

const ROOT = new URL("../../", import.meta.url);
const ON_DENO = "Deno" in globalThis;

/** Runs an example in an empty folder and gives what it wrote to standard output. @param flags Deno's permissions. */
function run(example: string, flags: readonly string[], cwd: string, options: readonly string[] = []): string {
  const script = fileURLToPath(new URL(`examples/${example}`, ROOT));
  if (!ON_DENO) return finished(spawnSync(process.execPath, ["run", script, ...options], { cwd, encoding: "utf8" }));
  const args = [
    "run",
    "--no-prompt",
    "--config",
    fileURLToPath(new URL("deno.json", ROOT)),
    ...flags,
    script,
    ...options,
  ];
  // Not node:child_process: under Deno that hands all permissions of the parent to the child.
  const { code, stdout, stderr } = new Deno.Command(Deno.execPath(), { args, cwd }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return finished({ status: code, stdout: text(stdout), stderr: text(stderr) });
}

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function finished({ status, stdout, stderr }: Ended): string {
  equal(status, 0, stderr);
  return stdout;
}

function inEmptyFolder(body: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "weir-examples-"));
  try {
    body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("examples/warm_rooms.ts prints what the README says, without any permission", { timeout: 60_000 }, () => {
  const readme = readFileSync(new URL("README.md", ROOT), "utf8");
  const shown = /```text\n(.*?)```/s.exec(readme)?.[1];
  inEmptyFolder((folder) => equal(run("warm_rooms.ts", [], folder), shown));
});

test(
  "examples/word_count.ts prints every new total, the last of each word being its count",
  { timeout: 60_000 },
  () => {
    inEmptyFolder((folder) => {
      const totals = new Map<string, number>();
      for (const line of run("word_count.ts", [], folder).trimEnd().split("\n")) {
        const { word, count } = JSON.parse(line);
        equal(count, (totals.get(word) ?? 0) + 1, `each total of "${word}" follows the one before`);
        totals.set(word, count);
      }
      deepEqual(Object.fromEntries(totals), { the: 2, stream: 2, is: 3, a: 4, river: 2, barrier: 1, not: 1, dam: 1 });
    });
  },
);

test(
  "examples/options_factory.ts gives each state its options, by an option of its own and by the state's name",
  { timeout: 60_000 },
  () => {
    const flags = ["--allow-read", "--allow-write", "--allow-env"];
    const optionsOf = (options: readonly string[]) => {
      let printed = "";
      inEmptyFolder((folder) => printed = run("options_factory.ts", flags, folder, options));
      const lines = printed.trimEnd().split("\n");
      ok(lines.includes(`2 of 2 words, the longest is "three four"`), printed);
      const asked = lines.flatMap((line) => /^(count|longest): (.*)$/.exec(line)?.slice(1) ?? []);
      return { [asked[0]!]: JSON.parse(asked[1]!), [asked[2]!]: JSON.parse(asked[3]!) };
    };
    const longest = { blockBytes: 16_384, compressionPerLevel: ["none", "zstd"] };
    deepEqual(optionsOf([]), { count: { restartInterval: 16 }, longest: { restartInterval: 16, ...longest } });
    deepEqual(optionsOf(["-Dmy.custom.lsm.block.restart-interval=4"]), {
      count: { restartInterval: 4 },
      longest: { restartInterval: 4, ...longest },
    });
  },
);

/** Runs the flight example and compares what it has committed. */
function checkFlights(args: readonly string[]): void {
  inEmptyFolder((folder) => {
    run("flight_delays.ts", ["--allow-read", "--allow-write", "--allow-env"], folder, args);
    const out = join(folder, "out/flight-delays");
    const parts = readdirSync(out).filter((name) => name.startsWith("part-"));
    const lines = parts.flatMap((name) =>
      readFileSync(join(out, name), "utf8").split("\n").filter((line) => line !== "")
    );
    deepEqual(lines.sort(), flightReports(flightLines()));
  });
}

test("examples/flight_delays.ts commits exactly the 6,901 lines of a batch computation", { timeout: 60_000 }, () => {
  checkFlights([]);
});

test("it commits the same with its state on disk, with the options that the README gives", { timeout: 60_000 }, () => {
  const readme = readFileSync(new URL("README.md", ROOT), "utf8");
  const options = [...readme.matchAll(/ (-Dstate\.backend\.\S+)/g)].map(([, option]) => option!);
  deepEqual(options.map((option) => option.split("=")[0]), [
    "-Dstate.backend.type",
    "-Dstate.backend.lsm.memory.fixed-per-slot",
  ]);
  checkFlights(options);
});
