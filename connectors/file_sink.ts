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
import { dirname, join, normalize } from "node:path";
import { StreamError } from "../core/errors.ts";
import { errorCode, type FileSystem } from "../core/file_system.ts";
import type { Sink, SinkContext, SinkStart, SinkWriter } from "../core/sink.ts";
import { explained, fileFailure } from "./file_failure.ts";
import { type SinkFormat, sinkFormat, type SinkFormatName } from "./line_encoder.ts";
import { PartFile } from "./part_file.ts";
import { decideAtStart, inProgressName, partName, pendingName, SUPERSEDED } from "./part_names.ts";
import { pathOf } from "./path_pattern.ts";

/** Size at which a file is closed and the next one begun, bytes. */
const DEFAULT_ROLL_BYTES = 128 * 1024 * 1024;
/** Complete files that may be open, because the disk is slower than the records, before these must wait. */
const MAX_CLOSING = 4;
/** What link fails with where a file can have one name only. */
const NO_LINKS: readonly unknown[] = ["ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EPERM", "EMLINK", "EXDEV", "EINVAL"];

/** How files are written. */
export interface FileSinkOptions<T> {
  /** `jsonl` when absent. */
  readonly format?: SinkFormatName | SinkFormat<T>;
  /** About the size at which a file is closed and the next one begun, bytes; 128 MiB when absent. Each checkpoint ends a file, too. */
  readonly rollBytes?: number;
}

/** A file that waits for its checkpoint, and the name that it gets then; both within the folder of its sink. */
export interface PendingFile {
  /** Name under which it waits. */
  readonly from: string;
  /** Name under which readers see it. */
  readonly to: string;
  /** Folder of the sink that wrote it, as that was given; absent: it is not known. */
  readonly folder?: string;
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
  /** Complete files that are not closed yet. */
  #closingCount = 0;

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
    this.#roll(part);
  }

  backpressure(): Promise<void> | undefined {
    if (this.#closingCount > MAX_CLOSING) return this.#settling;
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
    const folders = new Set<string>();
    for (const pending of committable) {
      const folder = await this.#folderOf(pending);
      await this.#publish(join(folder, pending.from), join(folder, pending.to));
      folders.add(folder);
    }
    for (const folder of folders) await explained("sync folder", folder, this.#files.syncDirectory(folder));
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

  /** Ends a file of the current transaction. It is settled now: until the checkpoint there may be more than can be open. */
  #roll(part: PartFile): void {
    this.#rolled.push(part);
    this.#current = null;
    this.#closingCount++;
    const settled = this.#settling.then(() => part.settle());
    // What fails here is tried again for the checkpoint, which reports it.
    this.#settling = settled.catch(() => {}).finally(() => this.#closingCount--);
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
      pending.push({ from, to: partName(checkpointId, subtaskIndex, n, extension), folder: this.#directory });
    }
    await explained("sync folder", this.#directory, this.#files.syncDirectory(this.#directory));
    this.#unsettled = this.#unsettled.filter(({ endedBy }) => endedBy > checkpointId);
    return pending;
  }

  /**
   * Where a file waits, or has been published: in this sink's folder, also when that was moved, or else in the one of a
   * former run, as a job that goes on may write elsewhere.
   */
  async #folderOf({ from, to, folder = this.#directory }: PendingFile): Promise<string> {
    if (folder === this.#directory) return folder;
    for (const candidate of [this.#directory, folder]) {
      for (const path of [join(candidate, from), join(candidate, to)]) {
        if (await explained("look up", path, this.#files.status(path)) !== null) return candidate;
      }
    }
    return folder;
  }

  /** Gives a file its visible name, which no other file may have; does nothing when it was done before. */
  async #publish(source: string, target: string): Promise<void> {
    const waiting = await explained("look up", source, this.#files.status(source));
    if (waiting === null) {
      if (await explained("look up", target, this.#files.status(target)) !== null) return;
      throw this.#uncommittable(target, `its content "${source}" is gone`);
    }
    // Without an identity nobody could tell, after a crash, whether both names are of one file.
    if (waiting.identity === null || !await this.#link(source, target)) return await this.#renameNew(source, target);
    await explained("remove", source, this.#files.remove(source));
  }

  /** Gives a file a second name, unless it has it already; false when the file system cannot do that. */
  async #link(source: string, target: string): Promise<boolean> {
    try {
      await this.#files.link(source, target);
      return true;
    } catch (error) {
      const code = errorCode(error);
      if (NO_LINKS.includes(code)) return false;
      if (code !== "EEXIST") throw fileFailure("commit", target, error);
    }
    const waiting = await explained("look up", source, this.#files.status(source));
    const visible = await explained("look up", target, this.#files.status(target));
    // A crash between link and remove leaves both names.
    if (waiting !== null && waiting.identity === visible?.identity) return true;
    throw this.#uncommittable(target, "another file of that name is there already");
  }

  async #renameNew(source: string, target: string): Promise<void> {
    if (await explained("look up", target, this.#files.status(target)) !== null) {
      throw this.#uncommittable(target, "another file of that name is there already");
    }
    await explained("commit", target, this.#files.rename(source, target));
  }

  #uncommittable(target: string, found: string): StreamError {
    return new StreamError(
      "invalid",
      `Cannot commit "${target}": ${found}; give each sink a folder of its own, and start again from a ` +
        `checkpoint whose files are there (what restores have taken back is in "${this.#at(SUPERSEDED)}")`,
    );
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
        "must hold no parts; empty the folder, choose another, or, where checkpoints are on, go on with --from latest",
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
 * later ones into `.superseded/`. A restored job may write into another folder than before: what its checkpoint has
 * pending is committed where it waits. Each sink needs a folder of its own, within one file system: a pipeline with two in one
 * folder is refused. Two jobs must not share one either: the second stops with an error, or takes away what the first has
 * not committed yet, which then stops the first; neither overwrites what is committed.
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
  // Without the slash at the end, so that equal folders have equal names.
  const path = join(normalize(pathOf(directory)), ".");
  return {
    guarantee: "exactly-once",
    destination: path,
    ownsDestination: true,
    open: (context: SinkContext) => new FileSinkWriter(path, options, context),
  };
}
