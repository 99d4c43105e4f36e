import { fail } from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  cborWithoutNativeAddOn,
  coreDoesNoIo,
  importsGoOneWay,
  lmdbHasOneDoor,
  packagesAreListed,
} from "./tidy/import_rules.ts";
import { entryIsExplicit, filesAreShort, foldersAreFlat, functionsAreShort } from "./tidy/size_rules.ts";
import { headersNameFiles } from "./tidy/header_rules.ts";
import { type Finding, type Rule, type SourceFile, sourceFile } from "./tidy/source_file.ts";
import {
  consoleHasOwners,
  exportsAreNamed,
  filesIntroduceThemselves,
  ignoresCarryReasons,
  logsAreTemplates,
  namesSaySomething,
  noAny,
  nothingIsLeftToDo,
  timeIsAPort,
} from "./tidy/text_rules.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const NOT_OURS = ["node_modules", "out"];

function read(path: string): string {
  return readFileSync(ROOT + path, "utf8");
}

function sourceFiles(folder = ""): SourceFile[] {
  return readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) => {
    const path = folder + entry.name;
    if (entry.isDirectory()) {
      return entry.name.startsWith(".") || NOT_OURS.includes(entry.name) ? [] : sourceFiles(`${path}/`);
    }
    return entry.name.endsWith(".ts") ? [sourceFile(path, read(path))] : [];
  });
}

const FILES = sourceFiles();

function none(findings: readonly Finding[]): void {
  if (findings.length > 0) fail(findings.map(({ path, line, message }) => `${path}:${line} ${message}`).join("\n"));
}

function holds(statement: string, rule: Rule): void {
  test(`tidy: ${statement}`, () => none(FILES.flatMap(rule)));
}

function packageNames(): { dependencies: string[]; devDependencies: string[] } {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(read("package.json"));
  return { dependencies: Object.keys(dependencies), devDependencies: Object.keys(devDependencies) };
}

holds("imports go one way", importsGoOneWay);
holds("packages are listed, built-ins carry node:, files carry .ts", packagesAreListed(packageNames()));
holds("cbor-x is imported without its native add-on", cborWithoutNativeAddOn);
holds("core does no I/O", coreDoesNoIo);
test("tidy: lmdb is imported by one file", () => none(lmdbHasOneDoor(FILES)));
holds("files have at most 500 lines", filesAreShort);
holds("functions have at most 70 lines", functionsAreShort);
holds("mod.ts lists its exports one a line", entryIsExplicit);
holds("folders are at most three deep", foldersAreFlat);
holds("time, timers and randomness are ports", timeIsAPort);
holds("the terminal has owners", consoleHasOwners);
holds("what is logged is a constant text with properties", logsAreTemplates);
holds("exports are named one by one", exportsAreNamed);
test("tidy: headers name files that exist", () => none(headersNameFiles(FILES)));
holds("nothing is of type any", noAny);
holds("nothing is left to do", nothingIsLeftToDo);
holds("a check that is switched off says why", ignoresCarryReasons);
holds("files introduce themselves", filesIntroduceThemselves);
holds("names say what a thing is", namesSaySomething);
