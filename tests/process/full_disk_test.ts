import { equal } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";

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
