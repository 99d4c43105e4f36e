/**
 * Writes restored rows into files of the trees that their states belong to, and finds out whose rows a run has.
 *
 * Called by: restore.ts.
 * Calls: run_builder.ts, version.ts.
 *
 * @module
 */
import type { MergeInput } from "../runs/merge_cursor.ts";
import { ROUTE_BYTES } from "../runs/row_prefix.ts";
import { RunBuilder, type RunBuilderPorts } from "./run_builder.ts";
import type { RunFile } from "./run_file.ts";
import { RunView } from "./version.ts";

/** Which tree has the files of a state. A tree is told by what makes its files. */
export interface RestoreFamilies {
  /** Where files are brought before it is known whose rows they have. */
  readonly first: RunBuilderPorts;
  /** The tree of a state, by its id here. */
  of(stateId: number): RunBuilderPorts;
}

/** A file that rows were written into. */
export interface WrittenFamily {
  readonly family: RunBuilderPorts;
  readonly view: RunView;
}

/** A row. */
export type RewrittenRow = Pick<MergeInput, "code" | "key" | "keyBytes" | "value" | "valueStart" | "valueEnd">;

/** Takes rows in order; each tree gets its own, in files of about the size that it is told to make. */
export class FamilyRewrite {
  private readonly builders = new Map<RunBuilderPorts, RunBuilder>();
  private builder: RunBuilder | undefined;
  private stateId = -1;
  private keyGroup = -1;
  private key = new Uint8Array(256);
  private readonly ended: WrittenFamily[] = [];

  /** @param level Where the files will be, about. */
  constructor(private readonly families: RestoreFamilies, private readonly level: number) {}

  /** Adds a row. @param stateId The state's id here. */
  add(row: RewrittenRow, stateId: number): void {
    const { keyBytes } = row;
    let { key } = row;
    const keyGroup = (key[0]! << 8) | key[1]!;
    if (keyGroup !== this.keyGroup) this.enterKeyGroup(keyGroup);
    if (stateId !== this.stateId) this.enterState(stateId);
    if (stateId !== ((key[2]! << 8) | key[3]!)) key = this.renamed(key, keyBytes, stateId);
    this.builder!.writer.addRow(row.code, key, keyBytes, row.value, row.valueStart, row.valueEnd);
  }

  private renamed(from: Uint8Array, keyBytes: number, stateId: number): Uint8Array {
    if (keyBytes > this.key.length) this.key = new Uint8Array(keyBytes * 2);
    const key = this.key;
    for (let i = 0; i < keyBytes; i++) key[i] = from[i]!;
    key[2] = stateId >>> 8;
    key[3] = stateId;
    return key;
  }

  private enterState(stateId: number): void {
    const family = this.families.of(stateId);
    this.builder = this.builders.get(family);
    if (this.builder === undefined) this.builders.set(family, this.builder = new RunBuilder(family, this.level));
    this.stateId = stateId;
  }

  /** No key group is in two files of one tree. */
  private enterKeyGroup(keyGroup: number): void {
    this.keyGroup = keyGroup;
    this.stateId = -1;
    for (const [family, builder] of this.builders) {
      builder.noteMemory();
      if (builder.writer.sizeBytes >= family.column.targetFileBytes) this.endFile(family, builder);
    }
  }

  private endFile(family: RunBuilderPorts, builder: RunBuilder): void {
    let file: RunFile | undefined;
    while (file === undefined) file = builder.finish();
    this.builders.delete(family);
    this.ended.push({ family, view: new RunView(file) });
  }

  /** Ends all files and gives them away, those of one tree in the order of their rows. */
  finish(): readonly WrittenFamily[] {
    for (const [family, builder] of this.builders) this.endFile(family, builder);
    return this.ended.splice(0);
  }

  /** Removes what was not given away. */
  discard(): void {
    for (const builder of this.builders.values()) builder.discard();
    this.builders.clear();
    for (const { view } of this.ended.splice(0)) view.file.drop();
  }
}

/** The tree of all rows of a run that can be seen, `families.first` if there are none; undefined: they have several. */
export function onlyFamilyOf({ file, keyGroups }: RunView, families: RestoreFamilies): RunBuilderPorts | undefined {
  const listed = new Set(file.run.states.map(({ id }) => families.of(id)));
  const [first = families.first] = listed;
  if (listed.size < 2) return first;
  // The table of a run may well have states without rows in it.
  const rows = file.run.scan();
  let only: RunBuilderPorts | undefined;
  try {
    rows.seek(routeOf(keyGroups.start, 0), ROUTE_BYTES, 0);
    while (rows.next() && rows.keyGroup <= keyGroups.end) {
      const stateId = (rows.key[2]! << 8) | rows.key[3]!;
      const family = families.of(stateId);
      if (only !== undefined && family !== only) return undefined;
      only = family;
      // Behind the rows of this state.
      if (stateId < 0xffff) rows.seek(routeOf(rows.keyGroup, stateId + 1), ROUTE_BYTES, 0);
      else if (rows.keyGroup < keyGroups.end) rows.seek(routeOf(rows.keyGroup + 1, 0), ROUTE_BYTES, 0);
      else break;
    }
    return only ?? families.first;
  } finally {
    rows.close();
  }
}

function routeOf(keyGroup: number, stateId: number): Uint8Array {
  return new Uint8Array([keyGroup >>> 8, keyGroup, stateId >>> 8, stateId]);
}
