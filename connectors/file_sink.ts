/**
 * Exactly-once sink into the files of a folder: what readers see is what completed checkpoints cover.
 *
 * Called by: pipelines.
 * Calls: part_file.ts, part_names.ts, line_encoder.ts.
 *
 * Invariants:
 * - a file that is visible (its name does not start with a dot) is durable, complete and never changed again;
 * - no file is ever overwritten;
 * - a subtask removes and moves only files of subtasks ≡ its own index modulo the parallelism.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { dirname, join } from "node:path";
import { StreamError } from "../core/errors.ts";
import type { FileSystem } from "../core/file_system.ts";
import type { Sink, SinkContext, SinkStart, SinkWriter } from "../core/sink.ts";
import { explained } from "./file_failure.ts";
import { type SinkFormat, sinkFormat, type SinkFormatName } from "./line_encoder.ts";
import { PartFile } from "./part_file.ts";
import { decideAtStart, inProgressName, partName, pendingName, SUPERSEDED } from "./part_names.ts";
import { pathOf } from "./path_pattern.ts";

/** Size at which a file is closed and the next one begun, bytes. */
const DEFAULT_ROLL_BYTES = 128 * 1024 * 1024;

/** How files are written. */
export interface FileSinkOptions<T> {
  /** `jsonl` when absent. */
  readonly format?: SinkFormatName | SinkFormat<T>;
  /** About the size at which a file is closed and the next one begun, bytes; 128 MiB when absent. Each checkpoint ends a file, too. */
  readonly rollBytes?: number;
}

/** A file that waits for its checkpoint, and the name that it gets then; both within the sink's folder. */
export interface PendingFile {
  /** Name under which it waits. */
  readonly from: string;
  /** Name under which readers see it. */
  readonly to: string;
}

/** A file whose transaction has ended. */
interface Unsettled {
  readonly part: PartFile;
  /** Checkpoint whose barrier has ended the transaction. */
  readonly endedBy: number;
}

class FileSinkWriter<T> implements SinkWriter<T, readonly PendingFile[]> {
  readonly #directory: string;
  readonly #rollBytes: number;
  readonly #format: SinkFormat<T>;
  readonly #context: SinkContext;
  readonly #files: FileSystem;
  #current: PartFile | null = null;
  /** Complete files of the current transaction. */
  #rolled: PartFile[] = [];
  /** Files of transactions that have ended and are not durable; when one cannot be made so, the next takes it along. */
  #unsettled: Unsettled[] = [];
  #settling: Promise<void> = Promise.resolve();

  constructor(directory: string, options: FileSinkOptions<T>, context: SinkContext) {
    this.#directory = directory;
    this.#rollBytes = options.rollBytes ?? DEFAULT_ROLL_BYTES;
    this.#format = sinkFormat(options.format ?? "jsonl");
    this.#context = context;
    this.#files = context.fileSystem;
  }

  async recover(start: SinkStart): Promise<void> {
    await explained("make folder", this.#directory, makeDurableDirectory(this.#files, this.#directory));
    const { subtaskIndex, parallelism } = this.#context;
    const superseded: string[] = [];
    let removed = false;
    for (const name of await explained("list", this.#directory, this.#files.list(this.#directory))) {
      const decision = decideAtStart(name, start, subtaskIndex, parallelism);
      if (decision === "refuse") throw this.#occupied(name);
      if (decision === "supersede") superseded.push(name);
      if (decision === "remove") {
        removed = true;
        await explained("remove", this.#at(name), this.#files.remove(this.#at(name)));
      }
    }
    if (superseded.length > 0) await this.#supersede(superseded);
    if (removed) await explained("sync folder", this.#directory, this.#files.syncDirectory(this.#directory));
  }

  write(value: T, _timestampMs: number): void {
    let part = this.#current;
    if (part === null) {
      part = new PartFile(this.#files, () => this.#inProgressPath());
      this.#current = part;
      if (this.#format.header !== undefined) part.append(this.#format.header(value));
    }
    part.append(this.#format.encode(value));
    if (part.sizeBytes < this.#rollBytes) return;
    this.#rolled.push(part);
    this.#current = null;
  }

  backpressure(): Promise<void> | undefined {
    return this.#current?.backpressure();
  }

  prepareCommit(checkpointId: number): () => Promise<readonly PendingFile[] | undefined> {
    if (this.#current !== null) this.#rolled.push(this.#current);
    this.#current = null;
    for (const part of this.#rolled) this.#unsettled.push({ part, endedBy: checkpointId });
    this.#rolled = [];
    return () => {
      const settled = this.#settling.then(() => this.#settle(checkpointId));
      this.#settling = settled.then(() => {}, () => {});
      return settled;
    };
  }

  async commit(committable: readonly PendingFile[], _checkpointId: number): Promise<void> {
    for (const { from, to } of committable) await this.#publish(from, to);
    await explained("sync folder", this.#directory, this.#files.syncDirectory(this.#directory));
  }

  async close(): Promise<void> {
    await this.#settling;
    const parts = [...this.#unsettled.map(({ part }) => part), ...this.#rolled];
    if (this.#current !== null) parts.push(this.#current);
    this.#unsettled = [];
    this.#rolled = [];
    this.#current = null;
    for (const part of parts) await part.discard();
  }

  #at(name: string): string {
    return join(this.#directory, name);
  }

  #inProgressPath(): string {
    return this.#at(inProgressName(this.#context.subtaskIndex, this.#context.random.id(), this.#format.extension));
  }

  /** Makes the files of this transaction, and of those before it, durable under their pending names. */
  async #settle(checkpointId: number): Promise<readonly PendingFile[] | undefined> {
    const due = this.#unsettled.filter(({ endedBy }) => endedBy <= checkpointId);
    if (due.length === 0) return undefined;
    const { subtaskIndex, random } = this.#context;
    const { extension } = this.#format;
    const pending: PendingFile[] = [];
    for (const [n, { part }] of due.entries()) {
      await part.settle();
      const from = pendingName(checkpointId, subtaskIndex, n, random.id(), extension);
      await part.rename(this.#at(from));
      pending.push({ from, to: partName(checkpointId, subtaskIndex, n, extension) });
    }
    await explained("sync folder", this.#directory, this.#files.syncDirectory(this.#directory));
    this.#unsettled = this.#unsettled.filter(({ endedBy }) => endedBy > checkpointId);
    return pending;
  }

  async #publish(from: string, to: string): Promise<void> {
    const [source, target] = [this.#at(from), this.#at(to)];
    const waits = await explained("look up", source, this.#files.status(source)) !== null;
    const visible = await explained("look up", target, this.#files.status(target)) !== null;
    if (visible && !waits) return;
    if (visible || !waits) {
      const found = visible ? "a file of that name is there already" : `its content "${source}" is gone`;
      throw new StreamError(
        "invalid",
        `Cannot commit "${target}": ${found}; give each sink a folder of its own, and start again from a ` +
          `checkpoint whose files are there (what restores have taken back is in "${this.#at(SUPERSEDED)}")`,
      );
    }
    await explained("commit", target, this.#files.rename(source, target));
  }

  /** Takes back what checkpoints after the restored one have committed. */
  async #supersede(names: readonly string[]): Promise<void> {
    const folder = this.#at(SUPERSEDED);
    await explained("make folder", folder, makeDurableDirectory(this.#files, folder));
    const taken = new Set(await explained("list", folder, this.#files.list(folder)));
    for (const name of names) {
      let target = name;
      for (let copy = 1; taken.has(target); copy++) target = `${name}.${copy}`;
      taken.add(target);
      await explained("rename", this.#at(name), this.#files.rename(this.#at(name), join(folder, target)));
    }
    await explained("sync folder", folder, this.#files.syncDirectory(folder));
    await explained("sync folder", this.#directory, this.#files.syncDirectory(this.#directory));
    getLogger(["weir", "file-sink"]).warn(
      "Sink {name} moved {count} files that later checkpoints had committed to {folder}: {files}",
      { name: this.#context.name, count: names.length, folder, files: names },
    );
  }

  #occupied(name: string): StreamError {
    return new StreamError(
      "invalid",
      `Cannot start sink "${this.#context.name}" afresh: "${this.#directory}" holds "${name}" of an earlier run, ` +
        "must hold no parts; go on with --from latest, or empty the folder",
    );
  }
}

/** Makes a folder, and the names of all folders that had to be made, durable. */
async function makeDurableDirectory(fileSystem: FileSystem, path: string): Promise<void> {
  const parents: string[] = [];
  for (let folder = path; await fileSystem.status(folder) === null;) {
    const parent = dirname(folder);
    parents.push(parent);
    if (parent === folder) break;
    folder = parent;
  }
  await fileSystem.makeDirectory(path);
  for (const parent of parents.reverse()) await fileSystem.syncDirectory(parent);
}

/**
 * Writes records into files of a folder, exactly once: a file appears when the checkpoint that covers it is complete,
 * or at the end of a job without checkpoints, and is never changed again.
 *
 * Committed files are named `part-<checkpoint>-<subtask>-<number>` and the format's extension; all other names start
 * with a dot. A fresh start refuses a folder that holds parts. A restore from an older checkpoint moves the parts of
 * later ones into `.superseded/`. Each sink needs a folder of its own, within one file system.
 *
 * @example
 * ```ts
 * import { fileSink } from "./file_sink.ts";
 *
 * const reports = fileSink<{ airport: string; late: number }>("out/reports", { format: "csv" });
 * if (reports.guarantee !== "exactly-once") throw new Error("no line is lost or doubled by a failure");
 * ```
 *
 * @param directory Is made when it is not there.
 * @throws {RangeError} If `rollBytes` is not above 0.
 */
export function fileSink<T>(
  directory: string | URL,
  options: FileSinkOptions<T> = {},
): Sink<T, readonly PendingFile[]> {
  const { rollBytes } = options;
  if (rollBytes !== undefined && !(rollBytes > 0)) {
    throw new RangeError(`Cannot make a file sink: rollBytes is ${rollBytes}, must be above 0`);
  }
  const path = pathOf(directory);
  return {
    guarantee: "exactly-once",
    open: (context: SinkContext) => new FileSinkWriter(path, options, context),
  };
}
