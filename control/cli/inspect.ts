/**
 * `weir inspect`: says what a checkpoint or savepoint holds.
 *
 * Called by: control/cli/commands.ts.
 * Calls: control/cli/state_statistics.ts, control/cli/opened_checkpoint.ts.
 *
 * @module
 */
import { filesOf, type OperatorCheckpoint } from "../../checkpoint/completed_checkpoint.ts";
import type { SerializerSnapshot } from "../../core/serializer.ts";
import type { ListDistribution } from "../../core/snapshot.ts";
import { formatBytes } from "../status_line.ts";
import { EXIT_FINISHED } from "../terminal.ts";
import type { CliSurroundings, CommandArguments } from "./command.ts";
import { keyedHandles, openCheckpoint, type OpenedCheckpoint } from "./opened_checkpoint.ts";
import { type Column, counted, countText, indented, printable, printJson, tableText, timeText } from "./output.ts";
import { statesOf, type StateStatistics } from "./state_statistics.ts";

/** One list of an operator. */
interface ListStatistics {
  readonly name: string;
  readonly distribution: ListDistribution;
  readonly serializer: SerializerSnapshot;
  readonly items: number;
  readonly bytes: number;
}

/** One operator. */
interface OperatorStatistics {
  readonly name: string;
  readonly id: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly finished: boolean;
  /** Files of keyed state, with those within the metadata. */
  readonly runs: number;
  readonly runBytes: number;
  /** Files of its changelog, with those within the metadata. */
  readonly logSegments: number;
  readonly logBytes: number;
  readonly states: readonly StateStatistics[];
  readonly lists: readonly ListStatistics[];
}

/** All that `inspect` says, as `--json` prints it. */
interface Inspection {
  readonly path: string;
  readonly checkpointId: number;
  readonly type: string;
  readonly format: string | null;
  readonly timestampMs: number;
  readonly isFinal: boolean;
  readonly job: OpenedCheckpoint["metadata"]["job"];
  readonly metadataBytes: number;
  /** Of all files beside `_metadata`, each once. */
  readonly files: { readonly exclusive: number; readonly shared: number; readonly bytes: number };
  readonly operators: readonly OperatorStatistics[];
}

/** `weir inspect <path>`. */
export async function inspect(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  const [path = ""] = args.positionals;
  const opened = await openCheckpoint(surroundings.fileSystem, path);
  const inspection = await inspectionOf(opened, !args.has("quick"));
  if (args.has("json")) await printJson(surroundings, inspection);
  else await surroundings.print(`${inspectionText(inspection)}\n`);
  return EXIT_FINISHED;
}

async function inspectionOf(opened: OpenedCheckpoint, countRows: boolean): Promise<Inspection> {
  const { path, metadataBytes, metadata } = opened;
  const { checkpointId, type, format, timestampMs, isFinal, job, operators } = metadata;
  const files = { exclusive: new Set<string>(), shared: new Set<string>() };
  let bytes = 0;
  for (const file of filesOf(operators)) {
    if (file.scope === "inline" || files[file.scope].has(file.name)) continue;
    files[file.scope].add(file.name);
    bytes += file.sizeBytes;
  }
  const inspected: OperatorStatistics[] = [];
  for (const operator of operators) inspected.push(await operatorStatistics(operator, opened, countRows));
  return {
    path,
    checkpointId,
    type,
    format,
    timestampMs,
    isFinal,
    job,
    metadataBytes,
    files: { exclusive: files.exclusive.size, shared: files.shared.size, bytes },
    operators: inspected.sort((a, b) => a.name < b.name ? -1 : 1),
  };
}

async function operatorStatistics(
  operator: OperatorCheckpoint,
  { reader }: OpenedCheckpoint,
  countRows: boolean,
): Promise<OperatorStatistics> {
  const { name, id, parallelism, maxParallelism, finished } = operator;
  const handles = keyedHandles(operator);
  const runs = handles.flatMap((handle) => handle.runs);
  const log = handles.flatMap((handle) => handle.log ?? []);
  return {
    name,
    id,
    parallelism,
    maxParallelism,
    finished,
    runs: runs.length,
    runBytes: runs.reduce((sum, run) => sum + run.file.sizeBytes, 0),
    logSegments: log.length,
    logBytes: log.reduce((sum, segment) => sum + segment.file.sizeBytes, 0),
    states: await statesOf(operator, reader, countRows),
    lists: listsOf(operator),
  };
}

/** The lists of an operator, over all subtasks; of a broadcast list each subtask holds a copy. */
function listsOf({ subtasks }: OperatorCheckpoint): ListStatistics[] {
  const byName = new Map<string, ListStatistics>();
  for (const { snapshot } of subtasks) {
    for (const [name, { distribution, serializer, items }] of Object.entries(snapshot?.lists ?? {})) {
      const known = byName.get(name);
      const bytes = items.reduce((sum, item) => sum + item.length, 0);
      byName.set(name, {
        name,
        distribution,
        serializer,
        items: (known?.items ?? 0) + items.length,
        bytes: (known?.bytes ?? 0) + bytes,
      });
    }
  }
  return [...byName.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

const STATE_COLUMNS: readonly Column[] = [
  { title: "STATE" },
  { title: "KIND" },
  { title: "SERIALIZER" },
  { title: "KEYS", align: "right" },
  { title: "ENTRIES", align: "right" },
  { title: "SIZE", align: "right" },
];

const LIST_COLUMNS: readonly Column[] = [
  { title: "LIST" },
  { title: "DEALT OUT" },
  { title: "SERIALIZER" },
  { title: "ITEMS", align: "right" },
  { title: "SIZE", align: "right" },
];

function inspectionText(inspection: Inspection): string {
  const { path, checkpointId, type, format, timestampMs, isFinal, job, metadataBytes, files } = inspection;
  const what = format === null ? type : `${format} ${type}`;
  const origin = job.restoredFrom === null ? "" : `, which was restored from checkpoint ${job.restoredFrom}`;
  return [
    path,
    `  ${what} ${checkpointId} of "${printable(job.name)}" (job ${printable(job.id)})${origin}`,
    `  taken at ${timeText(timestampMs)} UTC${isFinal ? ", after all input had ended" : ""}`,
    `  ${formatBytes(metadataBytes + files.bytes)}: ${counted(files.exclusive, "file")} of its own, ` +
    `${files.shared} shared, metadata of ${formatBytes(metadataBytes)}`,
    ...inspection.operators.flatMap(operatorLines),
  ].join("\n");
}

function operatorLines(operator: OperatorStatistics): string[] {
  const { name, id, parallelism, maxParallelism, finished, runs, runBytes, states, lists } = operator;
  const runText = runs === 0 ? "" : `, ${counted(runs, "run")} of ${formatBytes(runBytes)}`;
  const { logSegments, logBytes } = operator;
  const logText = logSegments === 0 ? "" : `, a log of ${formatBytes(logBytes)} in ${counted(logSegments, "segment")}`;
  return [
    "",
    `${printable(name)} (${id}), parallelism ${parallelism} of at most ${maxParallelism}` +
    `${finished ? ", finished" : ""}${runText}${logText}`,
    ...(states.length === 0 ? [] : [indented(tableText(STATE_COLUMNS, states.map(stateRow)))]),
    ...(lists.length === 0 ? [] : [indented(tableText(LIST_COLUMNS, lists.map(listRow)))]),
  ];
}

function stateRow({ name, kind, serializers, keys, entries, bytes }: StateStatistics): string[] {
  return [
    name,
    kind === "rows" ? "timers" : kind,
    serializers.length === 0 ? "-" : serializers.map(serializerText).join(", "),
    keys === null ? "-" : countText(keys),
    entries === null ? "-" : countText(entries),
    bytes === null ? "-" : formatBytes(bytes),
  ];
}

function listRow({ name, distribution, serializer, items, bytes }: ListStatistics): string[] {
  return [name, distribution, serializerText(serializer), countText(items), formatBytes(bytes)];
}

/** "auto 1", "point 2, schema 3". */
function serializerText({ id, version, schemaVersion }: SerializerSnapshot): string {
  return `${printable(id)} ${version}${schemaVersion === 1 ? "" : `, schema ${schemaVersion}`}`;
}
