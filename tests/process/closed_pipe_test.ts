import { equal } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("a job whose output is closed by its reader ends quietly, with the code of other tools", {
  skip: process.platform === "win32" ? "needs a POSIX shell" : false,
}, () => {
  const script = fileURLToPath(new URL("./closed_pipe_script.ts", import.meta.url));
  const run = "Deno" in globalThis ? ["run", "-A", "--no-check", script] : ["run", script];
  const shell = '{ "$0" "$@"; echo "code $?" >&2; } | head -1';
  const { stdout, stderr } = spawnSync("sh", ["-c", shell, process.execPath, ...run], { encoding: "utf8" });
  equal(stdout, "0\n");
  equal(stderr, "code 141\n");
});
