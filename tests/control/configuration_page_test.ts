import { equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { configurationPage } from "../../control/configuration_page.ts";
import { OPTION_GROUPS, REFUSED_KEYS } from "../../control/known_options.ts";
import { stringOption } from "../../core/config_option.ts";

test("docs/configuration.md is what the options say; deno task docs:config writes it", () => {
  const page = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  equal(page, configurationPage(OPTION_GROUPS, REFUSED_KEYS));
});

test("configurationPage has a row for each option with its default, meaning and old names", () => {
  const option = stringOption("a.b", { default: "x|y", oldNames: ["a.c"], description: "Means something." });
  const page = configurationPage([{ title: "Group", options: [option] }], [{ keyPattern: "z.*", reason: "not yet" }]);
  ok(page.includes("## Group"));
  ok(page.includes("| `a.b` | a text | `x\\|y` | Means something. Old name: `a.c`. |"));
  ok(page.includes("| `z.*` |  | not yet |"));
});
