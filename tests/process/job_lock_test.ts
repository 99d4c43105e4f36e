import { equal, match, rejects } from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { StreamError } from "../../core/errors.ts";
import { systemJobLock } from "../../runtime/system_job_lock.ts";
import { startScript } from "./running_script.ts";

const HOLDER = fileURLToPath(new URL("holding_script.ts", import.meta.url));
const isHeld = (error: unknown) =>
  error instanceof StreamError && error.kind === "invalid" && /works on it, no other process may/.test(error.message);

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "weir-lock-"));
  try {
    await run(join(folder, "job"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("systemJobLock refuses a second holder within the process, and lets the next one in after release()", () =>
  inFolder(async (folder) => {
    const first = await systemJobLock.acquire(folder);
    await rejects(systemJobLock.acquire(folder), isHeld);
    const other = await systemJobLock.acquire(`${folder}-other`);
    await first.release();
    await first.release();
    const second = await systemJobLock.acquire(folder);
    await second.release();
    await other.release();
  }));

test(
  "systemJobLock is held by another process until that is killed, and free at once then",
  { timeout: 60_000 },
  () =>
    inFolder(async (folder) => {
      const holder = startScript(HOLDER, [folder], { permissions: ["--allow-env", "--allow-read", "--allow-write"] });
      await holder.until("out", "held");
      await rejects(systemJobLock.acquire(folder), (error) => {
        match(String(error), /Cannot start the job in ".*": process [0-9]+ works on it/);
        return isHeld(error);
      });
      holder.kill("SIGKILL");
      equal(await holder.exitCode, null);
      const lock = await systemJobLock.acquire(folder);
      await lock.release();
    }),
);
