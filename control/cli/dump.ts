/**
 * `weir dump`: prints the content of one state, a JSON line for each row.
 *
 * Called by: control/cli/commands.ts.
 * Calls: control/cli/opened_checkpoint.ts, control/cli/state_reading.ts.
 *
 * Invariants:
 * - lines come in the order of key groups, and within one of the encoded keys;
 * - memory does not grow with the state.
 *
 * @module
 */
import { compareText } from "../../checkpoint/metadata.ts";
import type { OperatorCheckpoint } from "../../checkpoint/completed_checkpoint.ts";
import { ByteReader, ByteWriter, compareBytes } from "../../core/bytes.ts";
import { type Key, type Namespace, readKey, skipKey, writeKey, writeNamespace } from "../../core/key.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import type { KeyedStateHandle, SnapshotReader } from "../../core/snapshot.ts";
import { userListName } from "../../runtime/operator_states.ts";
import { timerOfRow } from "../../runtime/timer_reading.ts";
import { EXIT_FINISHED } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import type { CliSurroundings, CommandArguments } from "./command.ts";
import { parseKey, toJson } from "./json_notation.ts";
import { keyedHandles, type KeyedRowCursor, openCheckpoint, OpenedKeyedState } from "./opened_checkpoint.ts";
import { StateReading, valueToJson } from "./state_reading.ts";
import { statesOf } from "./state_statistics.ts";

/** Key group and state id. */
const ROUTE_BYTES = 4;
/** Printed at once, characters. */
const CHUNK_CHARACTERS = 32_768;

/** What is wanted of a state. */
interface Wanted {
  readonly state: string;
  /** Undefined: of all keys. */
  readonly key: Key | undefined;
  /** Undefined: of all namespaces. */
  readonly namespace: Namespace | undefined;
}

/** `weir dump <path> --operator … --state …`. */
export async function dump(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  const [path = ""] = args.positionals;
  const { metadata, reader } = await openCheckpoint(surroundings.fileSystem, path);
  const operator = chooseOperator(metadata.operators, args.text("operator"));
  const keyed = (await statesOf(operator, reader, false)).map(({ name }) => name);
  const lists = listNames(operator);
  const state = chooseState(operator, args.text("state"), keyed, lists);
  const lines = new LinePrinter(surroundings);
  if (keyed.includes(state)) {
    const key = args.text("key");
    const namespace = args.text("namespace");
    const wanted = {
      state,
      key: key === undefined ? undefined : parseKey(key, "key"),
      namespace: namespace === undefined ? undefined : parseKey(namespace, "namespace"),
    };
    await printState(operator, wanted, reader, lines);
  } else {
    if (args.has("key") || args.has("namespace")) {
      throw new UsageError(`Cannot use --key or --namespace: "${state}" is a list of the operator, which has no keys`);
    }
    await printList(operator, state, lines);
  }
  await lines.flush();
  return EXIT_FINISHED;
}

async function printState(
  operator: OperatorCheckpoint,
  wanted: Wanted,
  reader: SnapshotReader,
  lines: LinePrinter,
): Promise<void> {
  const group = wanted.key === undefined ? undefined : keyGroupOf(wanted.key, operator.maxParallelism);
  const isWanted = ({ keyGroups }: KeyedStateHandle): boolean =>
    group === undefined || (keyGroups.start <= group && group <= keyGroups.end);
  const handles = keyedHandles(operator).filter(isWanted).sort((a, b) => a.keyGroups.start - b.keyGroups.start);
  for (const handle of handles) {
    const opened = await OpenedKeyedState.open(handle, reader);
    try {
      await printRows(opened, wanted, group, lines);
    } finally {
      opened.close();
    }
  }
}

async function printRows(
  opened: OpenedKeyedState,
  wanted: Wanted,
  group: number | undefined,
  lines: LinePrinter,
): Promise<void> {
  const state = opened.runs.flatMap(({ states }) => states).find(({ name }) => name === wanted.state);
  if (state === undefined) return;
  const rows = opened.rows();
  if (group !== undefined) {
    const start = new ByteWriter();
    start.u16(group);
    start.u16(state.id);
    rows.seek(start.buffer, start.length, start.length);
  }
  const filter = new RowFilter(wanted);
  const reading = new StateReading();
  while (rows.next()) {
    if (rows.state.name !== wanted.state || !filter.passes(rows)) continue;
    const line = lines.add(JSON.stringify(reading.lineOf(rows)));
    if (line !== undefined) await line;
  }
}

/** Whether a row has the wanted key and namespace; compares bytes. */
class RowFilter {
  readonly #key: Uint8Array | null;
  readonly #namespace: Uint8Array | null;
  readonly #reader = new ByteReader(new Uint8Array(0));

  constructor({ key, namespace }: Wanted) {
    this.#key = key === undefined ? null : encoded((out) => writeKey(out, key));
    this.#namespace = namespace === undefined ? null : encoded((out) => writeNamespace(out, namespace));
  }

  passes({ state, key, keyBytes }: KeyedRowCursor): boolean {
    if (this.#key === null && this.#namespace === null) return true;
    if (state.kind === "rows") {
      const timer = timerOfRow(key, ROUTE_BYTES, keyBytes);
      return isEqual(this.#key, encoded((out) => writeKey(out, timer.key))) &&
        isEqual(this.#namespace, encoded((out) => writeNamespace(out, timer.namespace)));
    }
    const reader = this.#reader;
    reader.open(key, ROUTE_BYTES, keyBytes);
    skipKey(reader);
    const end = reader.position;
    if (!isEqual(this.#key, key, ROUTE_BYTES, end)) return false;
    skipKey(reader);
    return isEqual(this.#namespace, key, end, reader.position);
  }
}

function encoded(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter();
  write(out);
  return out.copy();
}

/** Whether `bytes[start..end-1]` is what is wanted; anything is when nothing is wanted. */
function isEqual(wanted: Uint8Array | null, bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
  return wanted === null || compareBytes(wanted, 0, wanted.length, bytes, start, end) === 0;
}

async function printList({ subtasks }: OperatorCheckpoint, name: string, lines: LinePrinter): Promise<void> {
  for (const [subtask, { snapshot }] of subtasks.entries()) {
    if (snapshot === null || !Object.hasOwn(snapshot.lists, name)) continue;
    const { distribution, items, serializer } = snapshot.lists[name]!; // looked for just above
    // A broadcast map of a user's: each item is a key and its value.
    const isMap = distribution === "broadcast" && userListName(name) !== null;
    for (const [index, item] of items.entries()) {
      const input = new ByteReader(item);
      const place = isMap ? { mapKey: toJson(readKey(input)) } : { index };
      await lines.add(JSON.stringify({ subtask, ...place, value: valueToJson(serializer, input) }));
    }
  }
}

function listNames({ subtasks }: OperatorCheckpoint): string[] {
  return [...new Set(subtasks.flatMap(({ snapshot }) => Object.keys(snapshot?.lists ?? {})))].sort(compareText);
}

function chooseOperator(operators: readonly OperatorCheckpoint[], named: string | undefined): OperatorCheckpoint {
  const found = named === undefined
    ? operators.filter((operator) => keyedHandles(operator).length > 0)
    : operators.filter(({ id, name }) => id === named || name === named);
  if (found.length === 1) return found[0]!;
  const names = operators.map(({ name, id }) => `  ${name} (${id})`).join("\n");
  const what = named === undefined
    ? `${found.length} have keyed state, --operator must name one`
    : `there is no operator "${named}"`;
  throw new UsageError(`Cannot choose an operator: ${what} of\n${names}`);
}

function chooseState(
  { name }: OperatorCheckpoint,
  named: string | undefined,
  keyed: readonly string[],
  lists: readonly string[],
): string {
  if (named !== undefined && (keyed.includes(named) || lists.includes(named))) return named;
  const own = lists.find((list) => userListName(list) === named);
  if (named !== undefined && own !== undefined) return own;
  const users = keyed.filter((state) => !state.startsWith("_timer_state/"));
  if (named === undefined && users.length === 1) return users[0]!;
  const what = named === undefined ? `${users.length} are keyed, --state must name one` : `there is no "${named}"`;
  throw new UsageError(
    `Cannot choose a state of "${name}": ${what} of\n${[...keyed, ...lists].map((state) => `  ${state}`).join("\n")}`,
  );
}

/** Prints lines, many at once. */
class LinePrinter {
  #text = "";

  constructor(private readonly surroundings: Pick<CliSurroundings, "print">) {}

  /** Not undefined when there must be a wait before the next one. */
  add(line: string): Promise<void> | undefined {
    this.#text += `${line}\n`;
    return this.#text.length < CHUNK_CHARACTERS ? undefined : this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    if (text !== "") await this.surroundings.print(text);
  }
}
