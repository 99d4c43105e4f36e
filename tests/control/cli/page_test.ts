import { ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { COMMANDS } from "../../../control/cli/commands.ts";
import { usageText } from "../../../control/cli/usage.ts";
import { CHECK_VARIABLE } from "../../../control/check_request.ts";
import { pageExamples } from "./page_examples.ts";

const PAGE = readFileSync(new URL("../../../docs/command_line.md", import.meta.url), "utf8");

function shows(text: string): void {
  ok(PAGE.includes(text), `docs/command_line.md must show:\n${text}`);
}

test("docs/command_line.md shows the usage as it is", () => shows(`\`\`\`text\n${usageText()}\n\`\`\``));

test("docs/command_line.md shows what commands print", async () => {
  const examples = await pageExamples();
  for (const [line, output] of examples) shows(`$ ${line}\n${output}`);
});

test("docs/command_line.md has a line on each command and its permissions, and on the variables", () => {
  const cells = PAGE.split("\n").filter((line) => line.startsWith("|")).map((line) => line.replaceAll(/ +/g, " "));
  for (const { name, permissions } of COMMANDS) {
    const flags = permissions.split(" (")[0]!.replaceAll("|", "\\|");
    ok(cells.some((line) => line.includes(`\`${name}\``) && line.includes(`\`${flags}\``)), `${name}: ${flags}`);
  }
  for (const name of ["WEIR_REST_URL", "WEIR_REST_AUTH_TOKEN", CHECK_VARIABLE]) shows(name);
});
