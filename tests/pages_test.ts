import { ok } from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

function markdown(folder: string): string[] {
  return readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return folder === "" ? [] : markdown(`${folder}${entry.name}/`);
    return entry.name.endsWith(".md") ? [folder + entry.name] : [];
  });
}

const PAGES = [...markdown(""), ...markdown("docs/")].map((path) => ({
  path,
  text: readFileSync(ROOT + path, "utf8"),
}));

test("pages link to files that exist", () => {
  let count = 0;
  for (const { path, text } of PAGES) {
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (target!.includes("://")) continue;
      ok(existsSync(new URL(target!, new URL(path, `file://${ROOT}`))), `${path} links to ${target}`);
      count++;
    }
  }
  ok(count > 10);
});

test("pages name source files that exist", () => {
  const name =
    /(?<![\w/.])(?:core|timers|backends|checkpoint|runtime|connectors|control|tests|bench|examples)\/[\w/.]+\.ts\b/g;
  let count = 0;
  for (const { path, text } of PAGES) {
    for (const [file] of text.matchAll(name)) {
      ok(existsSync(ROOT + file), `${path} names ${file}`);
      count++;
    }
  }
  ok(count > 30);
});

test("pages can be reached from the README", () => {
  const byPath = new Map(PAGES.map((page) => [page.path, page.text]));
  const reached = new Set<string>();
  const visit = (path: string): void => {
    const text = byPath.get(path);
    if (text === undefined || reached.has(path)) return;
    reached.add(path);
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (!target!.includes("://")) visit(new URL(target!, `file:///${path}`).pathname.slice(1));
    }
  };
  visit("README.md");
  for (const { path } of PAGES) ok(reached.has(path), `${path} is linked from nowhere`);
});
