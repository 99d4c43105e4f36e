import { equal } from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startScript } from "./running_script.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

test("a pipeline in a folder of its own runs with the command that the README gives", { timeout: 60_000 }, async () => {
  const section = /## Your own pipeline\n(.*?)\n## /s.exec(readFileSync(join(ROOT, "README.md"), "utf8"))?.[1] ?? "";
  const script = /```ts ignore\n(.*?)```/s.exec(section)?.[1]?.replace("../weir/", ROOT);
  const command = "Deno" in globalThis
    ? /^deno run --config \.\.\/weir\/deno\.json (\S+)/m.exec(section)
    : /^bun run (\S+)/m.exec(section);
  const folder = mkdtempSync(join(tmpdir(), "weir-own-"));
  try {
    const path = join(folder, command![1]!);
    writeFileSync(path, script!);
    // Starts Deno with --config and the project's deno.json.
    const { printed, exitCode } = startScript(path, [], { cwd: folder, permissions: [] });
    equal(await exitCode, 0, printed.err);
    equal(printed.out, "2\n4\n", process.execPath);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
