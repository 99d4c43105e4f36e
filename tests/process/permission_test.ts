import { equal, match } from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

test("systemFileSystem names the flag when Deno was not given a permission", {
  skip: "Deno" in globalThis ? false : "Bun has no permissions",
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
