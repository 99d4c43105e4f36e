/**
 * `weir memory`: shows who holds how many bytes of the memory for state on disk.
 *
 * Called by: control/cli/commands.ts.
 * Calls: control/cli/rest_client.ts.
 *
 * @module
 */
import { formatBytes } from "../status_line.ts";
import { EXIT_FINISHED } from "../terminal.ts";
import type { CliSurroundings, CommandArguments } from "./command.ts";
import { chooseJob, jobsOf } from "./job_choice.ts";
import { type JsonObject, listIn, numberIn, objectIn, textIn } from "./json_answer.ts";
import { type Column, plainText, printable, printJson, tableText } from "./output.ts";
import { RestClient } from "./rest_client.ts";

/** `weir memory [job]`. */
export async function showMemory(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  const client = await RestClient.of(args, surroundings);
  const { id, name } = chooseJob(jobsOf(await client.get("/jobs/overview")), args.positionals[0], client.url);
  const memory = await client.get(`/jobs/${id}/memory`);
  if (args.has("json")) await printJson(surroundings, memory);
  else if (surroundings.outputIsTerminal) await surroundings.print(`${memoryText(name, memory).join("\n")}\n`);
  else {
    const lines = plainText(holdersOf(memory));
    if (lines !== "") await surroundings.print(`${lines}\n`);
  }
  return EXIT_FINISHED;
}

const COLUMNS: readonly Column[] = [
  { title: "OPERATOR" },
  { title: "ACTIVE", align: "right" },
  { title: "FROZEN", align: "right" },
  { title: "KEPT", align: "right" },
  { title: "INDEXES, FILTERS", align: "right" },
];

/** For people: a paragraph for each slot. */
function memoryText(name: string, memory: unknown): string[] {
  const slots = listIn(memory, "slots");
  const backend = textIn(memory, "backend") ?? "";
  const head = `${printable(name)} keeps its state in ${printable(backend)}`;
  if (slots.length === 0) {
    const why = backend === "hashmap" ? "on the heap of the process, without managed memory" : "no slot is in use now";
    return [`${head}: ${why}`];
  }
  const total = `${bytesIn(memory, "usedBytes")} of ${bytesIn(memory, "totalBytes")}`;
  return [
    `${head}: ${total} used, in ${slots.length} ${slots.length === 1 ? "slot" : "slots"}`,
    ...slots.flatMap(slotText),
  ];
}

function slotText(slot: JsonObject): string[] {
  const buffers = objectIn(slot, "writeBuffers");
  const overshoot = numberIn(buffers, "overshootBytes") ?? 0;
  const over = overshoot === 0 ? "" : `, ${formatBytes(overshoot)} above the limit`;
  return [
    "",
    `slot ${numberIn(slot, "slotIndex") ?? "?"}: ${bytesIn(slot, "usedBytes")} of ${bytesIn(slot, "capBytes")}`,
    `  write buffers: ${bytesIn(buffers, "usedBytes")} of ${bytesIn(buffers, "limitBytes")}, at most ` +
    `${bytesIn(buffers, "peakBytes")} so far${over}; arena ${bytesIn(buffers, "arenaBytes")}`,
    ...cacheText(slot),
    "",
    ...tableText(COLUMNS, listIn(slot, "operators").map(operatorCells)).split("\n").map((line) => `  ${line}`),
  ];
}

function cacheText(slot: JsonObject): string[] {
  if (slot["blockCache"] === null) return [];
  const cache = objectIn(slot, "blockCache");
  return [
    `  block cache: ${bytesIn(cache, "heldBytes")} of ${bytesIn(cache, "limitBytes")}: ` +
    `${bytesIn(cache, "blockBytes")} of blocks (${bytesIn(cache, "pinnedBytes")} pinned), ` +
    `${bytesIn(cache, "indexAndFilterBytes")} of indexes and filters (${
      bytesIn(cache, "reservedBytes")
    } kept for them), ` +
    `${bytesIn(cache, "scratchBytes")} of scratch`,
  ];
}

function operatorCells(operator: JsonObject): string[] {
  return [
    textIn(operator, "operatorName") ?? "",
    ...["activeBytes", "frozenBytes", "keptBytes", "indexAndFilterBytes"].map((name) => bytesIn(operator, name)),
  ];
}

function bytesIn(value: unknown, name: string): string {
  return formatBytes(numberIn(value, name) ?? 0);
}

/** For programs: slot, holder, bytes. */
function holdersOf(memory: unknown): string[][] {
  return listIn(memory, "slots").flatMap((slot) => {
    const index = String(numberIn(slot, "slotIndex") ?? "");
    const row = (holder: string, value: unknown, name: string) => [index, holder, String(numberIn(value, name) ?? 0)];
    const operators = listIn(slot, "operators").flatMap((operator) => {
      const name = textIn(operator, "operatorName") ?? "";
      return ["active", "frozen", "kept", "indexAndFilter"].map((kind) =>
        row(`operator ${name} ${kind}`, operator, `${kind}Bytes`)
      );
    });
    return [
      row("cap", slot, "capBytes"),
      row("used", slot, "usedBytes"),
      row("write buffers", objectIn(slot, "writeBuffers"), "usedBytes"),
      row("block cache", objectIn(slot, "blockCache"), "heldBytes"),
      ...operators,
    ];
  });
}
