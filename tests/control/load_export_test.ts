import { equal, match, ok, rejects } from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { loadExport, productOf } from "../../control/load_export.ts";
import { Configuration } from "../../core/config.ts";
import { StreamError } from "../../core/errors.ts";
import { systemFileSystem } from "../../runtime/system_file_system.ts";

const ports = { fileSystem: systemFileSystem, option: "state.backend.type" };

/** Runs `use` with a file of this content. */
async function withFile(content: string, use: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir export "));
  try {
    const path = join(folder, "own 100%.ts");
    await writeFile(path, content);
    await use(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The message of what `loading` fails with, which has to be the user's to mend. */
async function messageOf(loading: Promise<unknown>): Promise<string> {
  let message = "";
  await rejects(loading, (error) => {
    ok(error instanceof StreamError && error.kind === "invalid", String(error));
    message = error.message;
    return true;
  });
  return message;
}

test("loadExport() gives the export of a file that is named absolutely, relative to the working directory or by a URL", async () => {
  await withFile("export const answer = 42; export default 'it';", async (path) => {
    equal(await loadExport(`${path}#answer`, ports), 42);
    equal(await loadExport(`./${relative(process.cwd(), path)}#answer`, ports), 42);
    equal(await loadExport(`${pathToFileURL(path).href}#answer`, ports), 42);
    equal(await loadExport(path, ports), "it");
  });
});

test("loadExport() names the option, the file and the remedy when there is no such file", async () => {
  const message = await messageOf(loadExport("./no/such.ts#it", ports));
  match(message, /Cannot load "\.\/no\/such\.ts#it" for option "state\.backend\.type"/);
  match(message, /there is no file ".*\/no\/such\.ts"; a path is relative to the working directory/);
  match(await messageOf(loadExport("/#it", ports)), /"\/" is no file/);
});

test("loadExport() lists the exports that there are, and the nearest, when the one that is asked for is missing", async () => {
  await withFile("export const ownBackend = 1, other = 2;", async (path) => {
    match(
      await messageOf(loadExport(`${path}#ownBackends`, ports)),
      /no export "ownBackends", it exports .*; did you mean #ownBackend\?/,
    );
    match(await messageOf(loadExport(path, ports)), /no export "default", it exports /);
  });
  await withFile("void 0; export {};", async (path) => {
    match(await messageOf(loadExport(`${path}#it`, ports)), /it exports nothing/);
  });
});

test("loadExport() tells why a file fails when it is loaded", async () => {
  await withFile("throw new Error('boom'); export {};", async (path) => {
    match(await messageOf(loadExport(`${path}#it`, ports)), /the file fails when it is loaded: boom/);
  });
  await withFile("import './missing.ts'; export {};", async (path) => {
    match(await messageOf(loadExport(`${path}#it`, ports)), /the file fails when it is loaded: .*missing\.ts/);
  });
});

test("loadExport() refuses what is on another machine, a class of Java and half a reference", async () => {
  match(await messageOf(loadExport("https://example.org/a.ts#it", ports)), /it is not on this machine/);
  match(await messageOf(loadExport("org.example.OwnFactory", ports)), /it names a class of Java, must be/);
  match(await messageOf(loadExport("./own.ts#", ports)), /a part is missing/);
  match(await messageOf(loadExport("#it", ports)), /a part is missing/);
});

test("loadExport() asks for the permission that is missing", async () => {
  const fileSystem = {
    status: () => Promise.reject(Object.assign(new Error("Requires read access"), { name: "NotCapable" })),
  };
  match(await messageOf(loadExport("/own.ts#it", { ...ports, fileSystem })), /run with --allow-read=\/own\.ts/);
});

test("productOf() leaves an object as it is, makes a class and calls a function with the configuration", async () => {
  const configuration = Configuration.of({ "a.b": 1 });
  class Own {
    constructor(readonly given: Configuration) {}
  }
  const made = await productOf(Own, configuration);
  ok(made instanceof Own);
  equal(made.given, configuration);
  equal(await productOf((given: Configuration) => Promise.resolve(given), configuration), configuration);
  const object = {};
  equal(await productOf(object, configuration), object);
});
