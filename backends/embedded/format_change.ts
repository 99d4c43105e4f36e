/**
 * Writes the values of a restored state anew, in the format of the serializer that it is declared with; in steps.
 *
 * Called by: state_table.ts.
 * Calls: core/serializer.ts, core/state_compatibility.ts, state_walk.ts, the rows.
 *
 * Invariants:
 * - only working files change, never a snapshot: while a list or map is moved it is whole in neither format, so a
 *   backend whose change has failed must not be used.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import { snapshotOf } from "../../core/serializer.ts";
import type { ValueReader } from "../../core/state_compatibility.ts";
import type { RunState } from "../runs/run_format.ts";
import { migrationFailure, writerOf } from "../states/state_checks.ts";
import type { EmbeddedState } from "./embedded_state.ts";
import type { KeyedRows } from "./keyed_rows.ts";
import { StateWalk } from "./state_walk.ts";

/** Rows between two looks at the clock. */
const ROWS_PER_LOOK = 64;

/** A state that changes its format, and so its id. */
export interface FormatChangePlan {
  readonly from: RunState;
  /** A file that its rows came from. */
  readonly path: string;
  readonly to: EmbeddedState;
  /** Reads the old values. */
  readonly reader: ValueReader<unknown>;
  /** Names state and operator in errors. */
  readonly where: string;
}

/** Moves all rows of one format to another. */
export class FormatChange {
  private readonly walk: StateWalk;
  private readonly input = new ByteReader(new Uint8Array(0));
  private readonly row = new ByteWriter();

  constructor(private readonly keyed: KeyedRows, range: KeyGroupRange, private readonly plan: FormatChangePlan) {
    this.walk = new StateWalk(keyed.rows, range, plan.from);
  }

  /**
   * Moves rows until `isOver` says so; false when none are left.
   *
   * @throws {SnapshotCorruptError} If a value cannot be read. @throws {StreamError} If it cannot be migrated.
   */
  goOn(isOver: () => boolean): boolean {
    try {
      do {
        for (let i = 0; i < ROWS_PER_LOOK; i++) {
          if (!this.walk.next()) {
            this.close();
            return false;
          }
          this.move();
        }
      } while (!isOver());
      return true;
    } catch (error) {
      const failure = this.failure(error);
      this.close();
      throw failure;
    }
  }

  /** Ends it early; safe to call twice. */
  close(): void {
    this.walk.close();
  }

  private move(): void {
    const { keyed, walk, row } = this;
    const { from, to } = this.plan;
    const { key, keyBytes, value, valueStart, valueEnd } = walk.row;
    this.input.open(value, valueStart, valueEnd);
    const out = keyed.write(to, this.readOld());
    row.reset();
    row.bytes(key, 0, keyBytes);
    row.buffer[2] = to.id >>> 8;
    row.buffer[3] = to.id;
    if (to.kind === "list") keyed.rows.append(row.buffer, keyBytes, walk.prefixBytes, out.buffer, 0, out.length);
    else keyed.rows.put(row.buffer, keyBytes, walk.prefixBytes, out.buffer, 0, out.length);
    row.buffer[2] = from.id >>> 8;
    row.buffer[3] = from.id;
    this.removeOld();
  }

  private readOld(): unknown {
    const { input } = this;
    const value = this.plan.reader.read(input);
    if (input.remaining !== 0) input.fail("a value goes on after its end");
    return value;
  }

  /** Removes the old row; of a list or map all rows with the first of them, since the walk sees them all the same. */
  private removeOld(): void {
    const { walk, row, plan: { from: { kind } }, keyed: { rows } } = this;
    if (kind !== "list" && kind !== "map") rows.delete(row.buffer, row.length, row.length);
    else if (walk.isFirst) rows.clear(row.buffer, walk.prefixBytes);
  }

  private failure(error: unknown): unknown {
    const { path, to, from, reader, where } = this.plan;
    if (error instanceof SnapshotCorruptError) return error;
    if (error instanceof StreamError && error.kind === "corrupt") {
      return new SnapshotCorruptError(path, { reason: `${to.where}: ${error.message}`, cause: error });
    }
    // What the disk does is no failure of the migration.
    if (reader.outcome === "as-is" || (error instanceof StreamError && error.kind === "unavailable")) return error;
    return migrationFailure(error, {
      where,
      key: this.walk.key(),
      from: writerOf(from),
      to: snapshotOf(to.serializer),
    });
  }
}
