/**
 * Writes one run file into the working directory and opens it.
 *
 * Called by: flush.ts, family_flush.ts, compaction.ts, family_rewrite.ts.
 * Calls: ../runs/local_run_writer.ts, run_file.ts, the FileSystem port.
 *
 * Invariants:
 * - a file that is not finished is removed, whatever has failed.
 *
 * @module
 */
import type { Random } from "../../core/clock.ts";
import type { OverRows } from "../embedded/over_rows.ts";
import { writeFailure } from "../runs/file_failure.ts";
import { type LocalRun, LocalRunWriter } from "../runs/local_run_writer.ts";
import type { RunState } from "../runs/run_format.ts";
import { type ColumnOptions, compressionOf } from "./column_options.ts";
import { RunFile, type RunFilePorts } from "./run_file.ts";

/** What it takes to make run files. */
export interface RunBuilderPorts extends RunFilePorts {
  readonly column: ColumnOptions;
  readonly random: Random;
  /** Where the files are. */
  readonly directory: string;
  /** The state table now. */
  states(): readonly RunState[];
  /** What compaction leaves out; undefined: nothing. */
  overRows(): OverRows | undefined;
}

/** A run file that is being written. */
export class RunBuilder {
  /** Takes the rows. */
  readonly writer: LocalRunWriter;
  private readonly path: string;
  private written: LocalRun | undefined;
  private ended = false;
  /** What is charged to the cache for the writer. */
  private chargedBytes = 0;

  /**
   * @param level Where the file will be.
   * @throws {StreamError} If the file cannot be made.
   */
  constructor(private readonly ports: RunBuilderPorts, level: number) {
    const { column, directory, random, fileSystem } = ports;
    this.path = `${directory}/${random.id()}`;
    try {
      this.writer = new LocalRunWriter(fileSystem.createSync(this.path, "exclusive"), {
        blockBytes: column.blockBytes,
        restartInterval: column.restartInterval,
        bloomBitsPerKey: column.bloomBitsPerKey,
        compression: compressionOf(column, level),
        states: ports.states(),
        chunkBytes: ports.cache.stretchBytes,
      });
    } catch (error) {
      throw writeFailure(this.path, error);
    }
  }

  /** Charges what the writer holds now; called now and then. */
  noteMemory(): void {
    this.charge(this.writer.memoryBytes);
  }

  private charge(bytes: number): void {
    const { chargedBytes } = this;
    this.chargedBytes = bytes;
    this.ports.cache.charge(bytes - chargedBytes);
  }

  /**
   * Ends the file, by as many calls as it takes, each about a millisecond or two; undefined until it is done.
   *
   * @throws {StreamError} If it cannot be written, or read again; the file is gone then.
   */
  finish(): RunFile | undefined {
    try {
      if (this.written === undefined) {
        const isPrepared = this.writer.prepare();
        this.noteMemory();
        if (isPrepared) this.written = this.writer.finish();
        return undefined;
      }
      this.charge(0);
      const file = RunFile.open(this.path, this.written, this.ports);
      this.ended = true;
      return file;
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  /** Removes the file; safe to call twice, and after `finish`, when it does nothing. */
  discard(): void {
    if (this.ended) return;
    this.ended = true;
    this.charge(0);
    try {
      this.writer.abandon();
      this.ports.fileSystem.removeSync(this.path);
    } catch {
      // What led here is told; the directory is removed at the end, and a failure to do that is told too.
      this.ports.statistics.backgroundErrors++;
    }
  }
}
