import { equal } from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("a job whose output is closed by its reader ends quietly, with the code of other tools", {
  skip: process.platform === "win32" ? "it has no such pipes" : false,
  timeout: 60_000,
}, async () => {
  const script = fileURLToPath(new URL("./closed_pipe_script.ts", import.meta.url));
  const run = "Deno" in globalThis ? ["run", "--no-check", "--allow-read", "--allow-env", script] : ["run", script];
  const child = spawn(process.execPath, run, { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors += text);
  const first = await new Promise<string>((resolve) => child.stdout.setEncoding("utf8").once("data", resolve));
  child.stdout.destroy(); // As `| head -1` does.
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  equal(first.split("\n")[0], "0");
  equal(errors, "");
  equal(code, 141);
});
