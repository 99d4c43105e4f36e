import { equal, ok } from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

function read(path: string): string {
  return readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
}

const README = read("README.md");

test("README shows examples/warm_rooms.ts as it is, in at most 25 lines", () => {
  const shown = /```ts ignore\n(.*?)```/s.exec(README)?.[1];
  const [, code] = read("examples/warm_rooms.ts").split(" */\n");
  equal(shown, code);
  ok(code!.trimEnd().split("\n").length <= 25);
});

test("README names only files that exist", () => {
  const links = [...README.matchAll(/\]\(([^)#]+)/g)].map(([, path]) => path!).filter((path) => !path.includes("://"));
  const scripts = [...README.matchAll(/\b(?:deno|bun) run\b[^\n]*?(\S+\.ts)/g)].map(([, path]) => path!)
    // The reader's own: tests/process/own_pipeline_test.ts runs it.
    .filter((path) => path !== "doubles.ts");
  ok(links.length > 0 && scripts.length > 0);
  for (const path of [...links, ...scripts]) ok(existsSync(new URL(`../${path}`, import.meta.url)), path);
});

test("README names only tasks that exist", () => {
  const { tasks } = JSON.parse(read("deno.json"));
  const named = [...README.matchAll(/\btask ([\w:]+)/g)].map(([, name]) => name!);
  ok(named.includes("demo") && named.includes("test"));
  for (const name of named) ok(name in tasks, name);
});
