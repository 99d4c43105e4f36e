/**
 * Runs benches and prints what they found: `deno task bench [filter] [--smoke] [--json]`.
 *
 * `filter` is a part of the name. Without `--json` a line for people, with it one JSON object a line.
 * Exit codes: 0 all ran, 1 one failed, 2 bad usage.
 *
 * Called by: the task `bench`.
 * Calls: bench/registry.ts, bench/machine.ts.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { Result } from "./harness.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { loadBenches } from "./registry.ts";

const USAGE = "usage: deno task bench [filter] [--smoke] [--json]\n";

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const wanted = parse(args);
  if (wanted === undefined) return 2;
  const benches = (await loadBenches()).filter(({ name }) => name.includes(wanted.filter));
  if (benches.length === 0) {
    const names = (await loadBenches()).map(({ name }) => `  ${name}\n`).join("");
    process.stderr.write(`Cannot run bench "${wanted.filter}": no name contains it; choose from\n${names}`);
    return 2;
  }
  const machine = thisMachine();
  if (!wanted.json) process.stdout.write(heading(machine));
  let failures = 0;
  for (const one of benches) {
    try {
      const result = await one.measure(wanted.smoke ? "smoke" : "full");
      process.stdout.write(wanted.json ? `${JSON.stringify({ ...result, ...machine })}\n` : line(result));
    } catch (error) {
      failures++;
      process.stderr.write(`${one.name}: ${error instanceof Error ? error.stack : error}\n`);
    }
  }
  return failures === 0 ? 0 : 1;
}

function parse(args: readonly string[]): { filter: string; smoke: boolean; json: boolean } | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { smoke: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
      allowPositionals: true,
    });
    if (positionals.length > 1) throw new TypeError(`one filter at most, got ${positionals.join(" ")}`);
    return { filter: positionals[0] ?? "", ...values };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return undefined;
  }
}

function heading({ runtime, version, commit, cpu }: Machine): string {
  const columns = `${"bench".padEnd(44)}${"ops/s".padStart(14)}${"baseline".padStart(14)}${"ratio".padStart(8)}`;
  return `${runtime} ${version}, commit ${commit}, ${cpu}\n\n${columns}${"cpu s".padStart(8)}\n`;
}

function line(result: Result): string {
  const number = (value: number | undefined, width: number) =>
    (value === undefined ? "-" : value.toLocaleString("en-US")).padStart(width);
  const figures = Object.entries(result.figures ?? {}).map(([name, value]) =>
    `    ${name} ${Number(value.toFixed(3))}\n`
  );
  return `${result.name.padEnd(44)}${number(result.opsPerSecond, 14)}${number(result.baselineOpsPerSecond, 14)}` +
    `${number(result.ratio, 8)}${number(result.cpuSeconds, 8)}` +
    `${result.baseline === undefined ? "" : `  against ${result.baseline}`}\n${figures.join("")}`;
}
