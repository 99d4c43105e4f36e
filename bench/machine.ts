/**
 * Says where a figure was measured: runtime, commit, processor.
 *
 * Called by: bench/main.ts.
 * Calls: git, when there is one.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import process from "node:process";

/** What a result needs beside it to mean something later. */
export interface Machine {
  readonly runtime: "deno" | "bun" | "node";
  readonly version: string;
  /** Abbreviated commit, `-dirty` when files differ from it; `unknown` outside a git checkout. */
  readonly commit: string;
  /** Model and number of cores. */
  readonly cpu: string;
}

/** Describes this process and its machine. */
export function thisMachine(): Machine {
  const runtime = "deno" in process.versions ? "deno" : "bun" in process.versions ? "bun" : "node";
  const cores = cpus();
  return {
    runtime,
    version: process.versions[runtime] ?? process.version,
    commit: currentCommit(),
    cpu: `${cores[0]?.model.trim() ?? "unknown"} x${cores.length}`,
  };
}

function currentCommit(): string {
  try {
    const describe = ["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"];
    return execFileSync("git", describe, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "unknown"; // No git, or not a checkout: the figure still counts.
  }
}
