import { equal, match, ok } from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { startScript } from "./running_script.ts";

const ON_BUN = "Deno" in globalThis ? false : "Bun has no permissions";
const EXAMPLE = fileURLToPath(new URL("../../examples/flight_delays.ts", import.meta.url));
const EXAMPLE_DATA = fileURLToPath(new URL("../../examples/data", import.meta.url));

/** Runs examples/flight_delays.ts in an empty folder. */
async function flightDelays(
  permissions: readonly string[],
): Promise<{ readonly code: number | null; readonly err: string }> {
  const cwd = mkdtempSync(join(tmpdir(), "weir-permission-"));
  try {
    const { printed, exitCode } = startScript(EXAMPLE, [], { cwd, permissions });
    return { code: await exitCode, err: printed.err };
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

test("systemFileSystem names the flag when Deno was not given a permission", {
  skip: ON_BUN,
}, () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-permission-"));
  try {
    const script = join(folder, "script.ts");
    const module = new URL("../../runtime/system_file_system.ts", import.meta.url).href;
    writeFileSync(
      script,
      `import { systemFileSystem as files } from "${module}";
      for (const run of [() => files.open("data.jsonl"), () => files.create("out.txt", "truncate")]) {
        await run().catch((error) => console.log(error.name, error.kind, error.message));
      }`,
    );
    // Not node:child_process: under Deno that hands all permissions of the parent to the child.
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-config", pathToFileURL(script).href],
      cwd: folder,
    }).outputSync();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    equal(child.success, true, text(child.stderr));
    const printed = text(child.stdout);
    match(
      printed,
      /StreamError invalid Cannot open "data\.jsonl": read permission is missing; run with --allow-read\n/,
    );
    match(
      printed,
      /StreamError invalid Cannot create "out\.txt": write permission is missing; run with --allow-write\n/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("examples/flight_delays.ts names the flag that it was not given, without a stack", {
  skip: ON_BUN,
  timeout: 60_000,
}, async () => {
  const read = "--allow-read";
  const write = "--allow-write";
  const readData = `--allow-read=${EXAMPLE_DATA}`;
  const readOut = "--allow-read=out";
  const cases: [permissions: string[], missing: string, place: string][] = [
    [[write, "--allow-env"], read, "out/checkpoints/"],
    [[read, "--allow-env"], write, "out/checkpoints/"],
    [[readData, write, "--allow-env"], read, "out/checkpoints/"],
    [[readOut, write, "--allow-env"], read, "flights-20k.jsonl"],
    [[read, "--allow-write=out/checkpoints", "--allow-env"], write, "out/flight-delays"],
  ];
  for (const [permissions, missing, place] of cases) {
    const { code, err } = await flightDelays(permissions);
    equal(code, 1, err);
    const told = err.split("\n").filter((line) => /Cannot .* permission is missing/.test(line));
    equal(told.length, 1, err);
    ok(told[0]!.includes(place) && told[0]!.endsWith(`permission is missing; run with ${missing}`), err);
    ok(!/^\s+at .*(?:ext:|\/(?:runtime|control|connectors)\/)/m.test(err) && !err.includes("NotCapable"), err);
  }
});

test("examples/flight_delays.ts runs with no more than the folders that it uses, and without the environment", {
  skip: ON_BUN,
  timeout: 60_000,
}, async () => {
  const { code, err } = await flightDelays([`--allow-read=${EXAMPLE_DATA},out`, "--allow-write=out"]);
  equal(code, 0, err);
  match(err, /^info: Started without --allow-read=weir\.yaml and --allow-env: .* were not looked at$/m);
  match(err, /^flight delays finished in/m);
});
