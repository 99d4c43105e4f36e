import { deepEqual, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const ROOT = new URL("../../", import.meta.url);

/** Modules that a module loads with itself: not those of types alone, nor those that are loaded on demand. */
function loadedWith(url: URL): string[] {
  const code = readFileSync(url, "utf8").replaceAll(/^ \*.*$/gm, "");
  const statements = code.matchAll(/^(?:import|export)\s(?!type\s)([^;]*?)\sfrom\s"([^"]+)"|^import\s"([^"]+)"/gms);
  return [...statements].flatMap(([, names = "", from, bare]) => {
    const listed = /^\{(.*)\}$/s.exec(names.trim())?.[1];
    const onlyTypes = listed !== undefined &&
      listed.split(",").filter((name) => name.trim() !== "").every((name) => name.trim().startsWith("type "));
    return onlyTypes ? [] : [from ?? bare ?? ""];
  });
}

/** Every file of the project and every package that is loaded with a file. */
function allLoadedWith(path: string): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (url: URL): void => {
    if (files.has(url.href)) return;
    files.add(url.href);
    for (const specifier of loadedWith(url)) {
      if (specifier.startsWith(".")) visit(new URL(specifier, url));
      else if (!specifier.startsWith("node:")) packages.add(specifier);
    }
  };
  visit(new URL(path, ROOT));
  return { files, packages };
}

test("mod.ts loads nothing of the HTTP API but its options: it is there when rest.port is set", () => {
  const { files, packages } = allLoadedWith("mod.ts");
  const ofTheApi = [...files].map((href) => href.slice(ROOT.href.length)).filter((path) => /^control\/http/.test(path));
  deepEqual(ofTheApi, ["control/http/options.ts"]);
  for (const name of ["hono", "zod", "prom-client", "@hono/zod-openapi"]) ok(!packages.has(name), name);
  ok(files.size > 50, `${files.size} files were found`);
});

test("the HTTP API loads prom-client with the first request for /metrics only", () => {
  const { packages } = allLoadedWith("control/http.ts");
  ok(packages.has("@hono/zod-openapi"));
  ok(!packages.has("prom-client"));
});
