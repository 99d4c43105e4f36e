/**
 * Finds the checkpoint that a job goes on from, and makes sure that it is whole.
 *
 * Called by: runtime/ at start, and after a failure inside the process.
 * Calls: the storage, metadata_reader.ts; how a run is checked comes in as an argument.
 *
 * Invariants:
 * - a checkpoint is handed out only when its metadata and every byte of every file it refers to were read and found intact;
 * - falling back to an older one, and what that costs, is told before anything is changed.
 *
 * @module
 */
import { messageOf, SnapshotCorruptError, StreamError } from "../core/errors.ts";
import { errorCode } from "../core/file_system.ts";
import type { LogSegment, RunHandle, SnapshotInput } from "../core/snapshot.ts";
import { type CheckpointMetadata, type CompletedCheckpoint, filesOf, keyedStatesOf } from "./completed_checkpoint.ts";
import { sharedOf } from "./completed_checkpoints.ts";
import { decodeMetadata } from "./metadata_reader.ts";
import type { ClaimMode } from "./options.ts";
import type { RestoredCheckpoints } from "./restart_points.ts";
import type { CheckpointStorage, Lineage, StoredMetadata, SweepReport } from "./storage.ts";

/** Reads a whole run. @throws {SnapshotCorruptError} If a byte of it differs from what was written. */
export type VerifyRun = (input: SnapshotInput, run: RunHandle) => void | Promise<void>;

/** Reads a whole segment of a log; as {@link VerifyRun}. */
export type VerifySegment = (input: SnapshotInput, segment: LogSegment) => void | Promise<void>;

/** What a recovery has noticed; for logs and the terminal. */
export type RecoveryEvent =
  /** A checkpoint cannot be used: an older one will be. */
  | { readonly kind: "damaged"; readonly checkpointId: number; readonly error: SnapshotCorruptError }
  /** A damaged checkpoint is out of the way. */
  | { readonly kind: "set-aside"; readonly checkpointId: number; readonly path: string }
  | { readonly kind: "swept"; readonly report: SweepReport };

/** How to recover. */
export interface RecoveryOptions {
  readonly storage: CheckpointStorage;
  readonly verify: VerifyRun;
  /** Needed where checkpoints may have a log. */
  readonly verifySegment?: VerifySegment;
  /** Must not throw. */
  readonly listener?: (event: RecoveryEvent) => void;
}

/** What the folder of a job holds. */
export type Recovery =
  /** No checkpoint ever completed: nothing was committed. Ids go on above `highestId`. */
  | { readonly kind: "never-completed"; readonly highestId: number }
  | ({ readonly kind: "restored" } & RestoredCheckpoints);

/**
 * The newest checkpoint of the job that is whole, for `--from latest`.
 *
 * Newer ones, which are damaged, are set aside and what nothing refers to is swept: call it only while no other process
 * works on the job.
 *
 * @throws {SnapshotCorruptError} If a checkpoint has completed once and none is whole.
 */
export async function findLatest(options: RecoveryOptions): Promise<Recovery> {
  const { storage, listener } = options;
  const ids = await storage.completedIds();
  const highestId = await storage.highestId();
  const lineage = await storage.lineage();
  const damaged: number[] = [];
  let newestError: SnapshotCorruptError | null = null;
  let restored: CompletedCheckpoint | null = null;
  const older: CompletedCheckpoint[] = [];
  for (const id of ids) {
    if (id <= lineage.above) break;
    try {
      if (restored === null) restored = await readCheckpoint(id, options);
      // Checked in full only when it is fallen back to.
      else older.unshift(await readMetadata(id, storage));
    } catch (error) {
      const damage = damageOf(error, `${storage.path}/chk-${id}`);
      if (damage === null) throw error;
      newestError ??= damage;
      damaged.push(id);
      listener?.({ kind: "damaged", checkpointId: id, error: damage });
    }
  }
  if (restored === null) await refuseFreshStart(newestError, lineage, storage);
  for (const id of damaged) listener?.({ kind: "set-aside", checkpointId: id, path: await storage.setAside(id) });
  const retained = restored === null ? [] : [...older, restored];
  const others = await readOthers(ids.filter((id) => id <= lineage.above), storage);
  await sweep([...retained, ...others], options);
  return restored === null
    ? { kind: "never-completed", highestId }
    : { kind: "restored", restored, retained, highestId, isNewest: true, isClaimed: false, others };
}

/** @throws {StreamError} If state would be lost by starting without any. */
async function refuseFreshStart(
  newestError: SnapshotCorruptError | null,
  { origin }: Lineage,
  storage: CheckpointStorage,
): Promise<void> {
  if (origin !== null && newestError === null) {
    throw new StreamError(
      "invalid",
      `Cannot go on from the latest checkpoint in "${storage.path}": none has completed since the job was started ` +
        `from "${origin}" or stopped with it; start it with --from "${origin}"`,
    );
  }
  if (origin === null && !await storage.hasEverCompleted()) return;
  throw newestError ??
    new SnapshotCorruptError(storage.path, { reason: "a checkpoint has completed here once, and none is left" });
}

/** Checkpoints that nobody goes back to, as far as they can be read: their files stay all the same. */
async function readOthers(ids: readonly number[], storage: CheckpointStorage): Promise<CompletedCheckpoint[]> {
  const others: CompletedCheckpoint[] = [];
  for (const id of ids) {
    try {
      others.push(await readMetadata(id, storage));
    } catch (error) {
      // Damaged: it needs no file any more.
      if (damageOf(error, "") === null) throw error;
    }
  }
  return others;
}

/**
 * Prepares the folder of a job for a start without state.
 *
 * @returns Ids go on above it.
 * @throws {StreamError} If checkpoints of an earlier run are there.
 */
export async function startAfresh({ storage }: Pick<RecoveryOptions, "storage">): Promise<number> {
  if (await storage.hasEverCompleted()) {
    throw new StreamError(
      "invalid",
      `Cannot start without state: "${storage.path}" holds checkpoints of an earlier run, must hold none; ` +
        `go on from them with --from latest, or remove the folder`,
    );
  }
  const highestId = await storage.highestId();
  // Left by a process that died before anything was committed: never to be fallen back to.
  if (highestId > 0) await storage.beginLineage({ above: highestId, origin: null });
  return highestId;
}

/**
 * A checkpoint or savepoint that a user points to, for `--from <path>`. Nothing is swept.
 *
 * With `NO_CLAIM` its files stay the user's. With `CLAIM` the job owns it: it is retained and deleted like one of its
 * own. The newest checkpoint in the job's own folder is then as if it had been found by itself; an older one is owned,
 * those that are newer are not gone back to, and stay.
 *
 * @param pointer Path of its folder or of the metadata in it.
 * @throws {StreamError} If there is none, or it is damaged.
 */
export async function findAt(
  pointer: string,
  options: RecoveryOptions,
  claimMode: ClaimMode = "NO_CLAIM",
): Promise<RestoredCheckpoints> {
  const { storage } = options;
  const restored = await readCheckpoint(pointer, options);
  const highestId = await storage.highestId();
  const found = { restored, retained: [], highestId, isNewest: false, isClaimed: false, others: [] };
  if (claimMode === "NO_CLAIM") return found;
  const { checkpointId } = restored.metadata;
  if (!await storage.owns(checkpointId, restored.externalPath)) return { ...found, isClaimed: true };
  const ids = await storage.completedIds();
  const { above } = await storage.lineage();
  const isNewest = ids[0] === checkpointId && checkpointId > above;
  const others = await readOthers(ids.filter((id) => id !== checkpointId), storage);
  if (!isNewest) return { ...found, retained: [restored], others };
  const isFormer = ({ metadata }: CompletedCheckpoint) => metadata.checkpointId <= above;
  const older = others.filter((other) => !isFormer(other)).reverse();
  return { ...found, retained: [...older, restored], isNewest, others: others.filter(isFormer) };
}

/** Reads a checkpoint and every file that it refers to. @throws {SnapshotCorruptError} If anything is damaged or missing. */
export async function readCheckpoint(
  pointer: number | string,
  { storage, verify, verifySegment = refuseLog }: RecoveryOptions,
): Promise<CompletedCheckpoint> {
  const checkpoint = await readMetadata(pointer, storage);
  const reader = storage.reader(checkpoint.externalPath);
  const seen = new Set<string>();
  const readOnce = async ({ file, footerCrc32 }: RunHandle | LogSegment, check: (input: SnapshotInput) => unknown) => {
    // Subtasks of a former parallelism may refer to the same file.
    const key = file.scope === "inline" ? "" : `${file.scope} ${file.name} ${footerCrc32}`;
    if (key !== "" && seen.has(key)) return;
    seen.add(key);
    const input = await reader.open(file);
    try {
      await check(input);
    } catch (error) {
      throw damageOf(error, input.path) ?? error;
    } finally {
      input.close();
    }
  };
  for (const { runs, log = [] } of keyedStatesOf(checkpoint.metadata.operators)) {
    for (const run of runs) await readOnce(run, (input) => verify(input, run));
    for (const segment of log) await readOnce(segment, (input) => verifySegment(input, segment));
  }
  return checkpoint;
}

function refuseLog(input: SnapshotInput): never {
  throw new Error(`Cannot check "${input.path}": nobody has said how a log is read; this is a defect of Weir`);
}

async function readMetadata(pointer: number | string, storage: CheckpointStorage): Promise<CompletedCheckpoint> {
  const stored = await storage.readMetadata(pointer);
  const metadata = decodeMetadata(stored.bytes, stored.path);
  if (typeof pointer === "number" && metadata.checkpointId !== pointer) {
    throw new SnapshotCorruptError(stored.path, {
      reason: `it is the metadata of checkpoint ${metadata.checkpointId}, must be that of ${pointer}`,
    });
  }
  return completed(metadata, stored);
}

/** The error as damage of a file; null when it is not damage but the machine's trouble, which may pass. */
function damageOf(cause: unknown, path: string): SnapshotCorruptError | null {
  if (cause instanceof SnapshotCorruptError) return cause;
  const code = errorCode(cause);
  if (code !== "EIO" && code !== "ENOENT" && !(cause instanceof StreamError && cause.kind === "corrupt")) return null;
  return new SnapshotCorruptError(path, { reason: messageOf(cause), cause });
}

function completed(metadata: CheckpointMetadata, { bytes, externalPath }: StoredMetadata): CompletedCheckpoint {
  let incrementBytes = bytes.length;
  let fullBytes = bytes.length;
  for (const { subtasks } of metadata.operators) {
    for (const { snapshot } of subtasks) {
      incrementBytes += snapshot?.keyed?.incrementBytes ?? 0;
      fullBytes += snapshot?.keyed?.fullBytes ?? 0;
    }
  }
  return { metadata, externalPath, incrementBytes, fullBytes, durationMs: null };
}

async function sweep(retained: readonly CompletedCheckpoint[], { storage, listener }: RecoveryOptions): Promise<void> {
  const referenced = new Set<string>();
  for (const { metadata } of retained) {
    for (const file of sharedOf(filesOf(metadata.operators))) referenced.add(file.name);
  }
  const report = await storage.sweep(referenced);
  if (report.unfinished.length + report.shared.length > 0) listener?.({ kind: "swept", report });
}
