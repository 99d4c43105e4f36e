import { deepEqual, equal } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { startScript } from "./running_script.ts";

// In a child, because Deno opens devices only with all permissions, which node:child_process gives.
test("systemFileSystem fails with ENOSPC when the device is full, also where a write returns a short count", {
  skip: process.platform === "linux" ? false : "only Linux has /dev/full",
}, () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-full-"));
  try {
    const script = join(folder, "script.ts");
    const module = (path: string) => new URL(`../../${path}`, import.meta.url).href;
    writeFileSync(
      script,
      `import { systemFileSystem } from "${module("runtime/system_file_system.ts")}";
      import { errorCode } from "${module("core/file_system.ts")}";
      const file = await systemFileSystem.create("/dev/full", "append");
      try { file.writeSync(new Uint8Array(100_000)); } catch (error) { console.log(errorCode(error)); }
      await file.write(new Uint8Array(100_000)).catch((error) => console.log(errorCode(error)));
      await file.close();`,
    );
    const args = "Deno" in globalThis ? ["run", "-A", "--no-config", script] : [script];
    const child = spawnSync(process.execPath, args, { encoding: "utf8" });
    equal(child.stdout, "ENOSPC\nENOSPC\n", child.stderr);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a job on a disk that fills up goes on, and its checkpoints and output are whole once there is room", {
  skip: process.platform === "linux" ? false : "mounts a small disk as only Linux does",
  timeout: 60_000,
}, async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "weir-disk-"));
  try {
    const path = new URL("full_disk_script.ts", import.meta.url).pathname;
    const script = startScript(path, [join(folder, "disk")], { permissions: ["-A"] });
    equal(await script.exitCode, 0, script.printed.err);
    if (script.printed.out.trim() === "no disk") return context.skip("no disk can be mounted here");
    const result: unknown = JSON.parse(script.printed.out.trim().split("\n").at(-1)!);
    deepEqual(result, { state: "stopped", restarts: 0, isWhole: true, isFull: true }, script.printed.err);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
