import { deepEqual, equal, rejects } from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { ApiError } from "../../control/http/api_error.ts";
import { confine, isWithin } from "../../control/http/confinement.ts";
import { resolvePath } from "../../control/http/real_paths.ts";
import { ApiRig } from "./http_rig.ts";
import { JOB, ScriptedJob } from "./scripted_job.ts";

/** A folder of savepoints beside things that are none of a client's business. */
function withFolders(run: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), "weir-http-"));
    try {
      mkdirSync(join(folder, "savepoints", "own"), { recursive: true });
      mkdirSync(join(folder, "savepoints-other"));
      mkdirSync(join(folder, "private"));
      writeFileSync(join(folder, "private", "_metadata"), "x");
      symlinkSync(join(folder, "private"), join(folder, "savepoints", "link"));
      symlinkSync(join(folder, "nowhere"), join(folder, "savepoints", "dangling"));
      symlinkSync(join(folder, "savepoints", "loop"), join(folder, "savepoints", "loop"));
      symlinkSync(join(folder, "savepoints", "own"), join(folder, "savepoints", "inner"));
      await run(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

/** Ways out of the folder, each as a client might name it. */
function waysOut(folder: string): string[] {
  const savepoints = join(folder, "savepoints");
  return [
    "/",
    "/etc/passwd",
    folder,
    `${savepoints}-other`,
    `${savepoints}/..`,
    `${savepoints}/../private`,
    `${savepoints}/own/../../private`,
    `${savepoints}/missing/../../private`,
    `${savepoints}/link`,
    `${savepoints}/link/deeper/missing`,
    `${savepoints}/dangling`,
    `${savepoints}/dangling/x`,
    `${savepoints}/loop`,
    `${savepoints}/%2e%2e/private`,
    `${savepoints}/%2E%2E%2Fprivate`,
    `${savepoints}/%252e%252e/private`,
    `${savepoints}/..%2fprivate`,
    `${savepoints}/..\\private`,
    `${pathToFileURL(folder)}/private`,
    `${pathToFileURL(savepoints)}/%2e%2e/private`,
    "../private",
    `${savepoints}/${"a".repeat(3_000)}`,
  ];
}

test(
  "a target-directory, a targetDirectory and a savepoint-path outside the folders are refused with 403 and reach nothing",
  withFolders(async (folder) => {
    const rig = new ApiRig({ context: { resolvePath } });
    const listed = { savepointDirectory: join(folder, "savepoints"), checkpointDirectory: null };
    const job = rig.add(new ScriptedJob(), listed);
    for (const path of waysOut(folder)) {
      await rig.refused(403, `/jobs/${JOB}/savepoints`, { method: "POST", body: { "target-directory": path } });
      await rig.refused(403, `/jobs/${JOB}/stop`, { method: "POST", body: { targetDirectory: path } });
      await rig.refused(403, "/savepoint-disposal", { method: "POST", body: { "savepoint-path": path } });
    }
    deepEqual([job.calls, rig.disposed, rig.operations.size], [[], [], 0]);
  }),
);

test(
  "a path within the folders is taken, links resolved, whether it exists or not",
  withFolders(async (folder) => {
    const savepoints = join(folder, "savepoints");
    const take = async (path: string) => await confine("path", path, [savepoints], resolvePath);
    const real = await resolvePath(savepoints);
    equal(await take(savepoints), real);
    equal(await take(`${savepoints}/own`), `${real}/own`);
    equal(await take(`${savepoints}/inner/new`), `${real}/own/new`);
    equal(await take(`${savepoints}/new/er`), `${real}/new/er`);
    equal(await take(`${savepoints}/own/../own2`), `${real}/own2`);
    equal(await take(`${pathToFileURL(savepoints)}/own`), `${real}/own`);
    // The folder itself may be a link.
    symlinkSync(savepoints, join(folder, "alias"));
    equal(await confine("path", `${folder}/alias/own`, [join(folder, "alias")], resolvePath), `${real}/own`);
    equal(await confine("path", `${savepoints}/own`, [join(folder, "alias")], resolvePath), `${real}/own`);
  }),
);

test("a path with control characters is refused with 400, also when an address hides them", async () => {
  for (const path of ["", "/savepoints/a\0", "/savepoints/a\r\nX: 1", "file:///savepoints/a%0Ab", "file:///a%00"]) {
    await rejects(confine("path", path, ["/savepoints"], resolvePath), (error) => {
      return error instanceof ApiError && error.status === 400;
    }, path);
  }
});

test("without any folder every path is refused", async () => {
  await rejects(confine("path", "/savepoints", [], resolvePath), (error) => {
    return error instanceof ApiError && error.status === 403;
  });
});

test("isWithin() goes by names, not by letters", () => {
  equal(isWithin("/a/b", "/a/b"), true);
  equal(isWithin("/a/b/c", "/a/b"), true);
  equal(isWithin("/a/b/..c", "/a/b"), true);
  equal(isWithin("/a/bc", "/a/b"), false);
  equal(isWithin("/a", "/a/b"), false);
  equal(isWithin("/", "/a"), false);
});
