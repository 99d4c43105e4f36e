/**
 * What a command works with in a real process: terminal, files, network, other processes.
 *
 * Called by: control/cli.ts.
 * Calls: `node:process`, `node:child_process`, runtime/system_*.ts.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { StreamError } from "../../core/errors.ts";
import { systemClock, systemRandom } from "../../runtime/system_clock.ts";
import { systemFileSystem } from "../../runtime/system_file_system.ts";
import { systemJobLock } from "../../runtime/system_job_lock.ts";
import {
  onInterrupt,
  outputIsTerminal,
  printText,
  processEnvironment,
  processScreen,
} from "../process_surroundings.ts";
import type { CliSurroundings, ScriptEnd, ScriptRun } from "./command.ts";

/** What makes a folder one that has a configuration of its own. */
const CONFIGURATIONS: readonly string[] = ["deno.json", "deno.jsonc", "package.json"];

/** Those of this process. */
export function systemSurroundings(): CliSurroundings {
  // Without a listener an error of a write would also be thrown where nobody can catch it.
  process.stdout.on("error", () => {});
  return {
    environment: processEnvironment() ?? {},
    print: printText,
    outputIsTerminal: outputIsTerminal(),
    screen: processScreen(),
    clock: systemClock,
    random: systemRandom,
    fileSystem: systemFileSystem,
    jobLock: systemJobLock,
    fetch: (url, request) => fetch(url, request),
    onInterrupt,
    runScript,
  };
}

/** On the runtime of this process. */
function runScript({ path, args, environment, permissions }: ScriptRun): Promise<ScriptEnd> {
  const isDeno = "Deno" in globalThis;
  const flags = isDeno ? ["run", "--no-prompt", ...configurationFlags(path), ...permissions.map(allowFlag)] : [];
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => reject(startFailure(path, cause));
    try {
      const child = spawn(process.execPath, [...flags, path, ...args], {
        env: { ...process.env, ...environment },
        stdio: ["ignore", "pipe", "inherit"],
      });
      const decoder = new TextDecoder();
      let output = "";
      child.stdout.on("data", (chunk: Uint8Array) => output += decoder.decode(chunk, { stream: true }));
      child.on("error", fail);
      child.on("close", (code) => resolve({ code, output }));
    } catch (cause) {
      fail(cause);
    }
  });
}

function allowFlag(permission: string): string {
  return `--allow-${permission}`;
}

/** A script in a folder without any configuration needs Weir's, which says where Weir's dependencies are. */
function configurationFlags(script: string): string[] {
  const own = new URL("../../deno.json", import.meta.url);
  if (own.protocol !== "file:") return [];
  for (let folder = dirname(resolve(script)), last = ""; folder !== last; last = folder, folder = dirname(folder)) {
    if (CONFIGURATIONS.some((name) => existsSync(join(folder, name)))) return [];
  }
  return ["--config", fileURLToPath(own)];
}

function startFailure(path: string, cause: unknown): StreamError {
  const isDenied = cause instanceof Error && cause.name === "NotCapable";
  const reason = isDenied ? "a permission is missing" : "the process cannot be started";
  return new StreamError("invalid", `Cannot run "${path}": ${reason}; run with --allow-run --allow-env`, { cause });
}
