import { equal, match } from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { nativeFolder } from "../support/native_folder.ts";

const ON_BUN = "Deno" in globalThis ? false : "Bun has no permissions";
const ROOT = new URL("../../", import.meta.url);

/** Runs a script that imports modules, then opens a database; what it prints. */
function opened(permissions: readonly string[], config: string[], modules: readonly string[]): string {
  const folder = nativeFolder("lmdb-loading");
  const script = join(folder, "script.ts");
  writeFileSync(
    script,
    `${modules.map((module) => `import "${new URL(module, ROOT).href}";\n`).join("")}
    import { openDatabase } from "${new URL("backends/lmdb/lmdb_module.ts", ROOT).href}";
    console.log("imported");
    const receiver = { takeKey() {}, takeValue() {} };
    try {
      const database = await openDatabase(${JSON.stringify(join(folder, "rows.mdb"))}, {}, receiver);
      await database.close();
      console.log("opened");
    } catch (error) {
      console.log(error.name, error.kind, error.message);
    }`,
  );
  // Not node:child_process: under Deno that hands all permissions of the parent to the child.
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--no-prompt", ...config, ...permissions, pathToFileURL(script).href],
    cwd: folder,
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  rmSync(folder, { recursive: true });
  equal(child.success, true, text(child.stderr));
  return text(child.stdout);
}

const MODULES = ["mod.ts", "backends/lmdb/lmdb_store_factory.ts"];
const CONFIG = ["--config", fileURLToPath(new URL("deno.json", ROOT))];

test("importing Weir loads no native code, and openDatabase names the flags that are missing", { skip: ON_BUN }, () => {
  const rest = ["--allow-env", "--allow-read", "--allow-write"];
  for (const permissions of [[], rest, ["--allow-ffi", "--allow-read", "--allow-write"]]) {
    match(
      opened(permissions, CONFIG, MODULES),
      /^imported\nStreamError invalid Cannot load the package "lmdb": \w+ permission is missing; run with --allow-ffi --allow-env/,
    );
  }
  equal(opened([...rest, "--allow-ffi"], CONFIG, MODULES), "imported\nopened\n");
});

test("openDatabase says how to install the package where there is none", { skip: ON_BUN }, () => {
  match(
    opened(["--allow-all"], ["--no-config"], []),
    /imported\nStreamError invalid Cannot load the package "lmdb": .*; install it/,
  );
});
