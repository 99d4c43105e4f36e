/**
 * Gives a file a second name: by a hard link where the file system allows it, else by a copy.
 *
 * Called by: filesystem_storage.ts (takes working files over), filesystem_reader.ts (gives them back).
 * Calls: the FileSystem port.
 *
 * Invariants:
 * - what a copy has left behind when it fails is removed.
 *
 * @module
 */
import { messageOf, SnapshotCorruptError } from "../core/errors.ts";
import { errorCode, type FileSystem, type InputFile, type OutputFile } from "../core/file_system.ts";

/** How files come to a checkpoint and back: `state.backend.checkpoint-transfer`. */
export type FileTransfer = "link" | "copy";

/** Read and written at once. */
const CHUNK_BYTES = 524_288;

/** Where no hard link is possible, though a copy is: other devices, file systems without links, too many links. */
const NO_LINK = new Set(["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

/**
 * Gives the content of `from` the name `to` as well, which must be free. The content is durable afterwards if `durably`
 * is set, the name is not.
 *
 * @throws {SnapshotCorruptError} If `from` does not have `sizeBytes` bytes.
 */
export async function transferFile(
  fs: FileSystem,
  { from, to, sizeBytes, transfer, durably }: {
    readonly from: string;
    readonly to: string;
    readonly sizeBytes: number;
    readonly transfer: FileTransfer;
    readonly durably: boolean;
  },
): Promise<void> {
  const actual = (await fs.status(from))?.sizeBytes;
  if (actual !== sizeBytes) {
    const reason = actual === undefined ? "the file is missing" : `it has ${actual} bytes, it must have ${sizeBytes}`;
    throw new SnapshotCorruptError(from, { reason });
  }
  if (transfer === "link" && await isLinked(fs, from, to, durably)) return;
  const input = await fs.open(from);
  try {
    await copy(fs, input, to, durably);
  } finally {
    input.close();
  }
}

async function isLinked(fs: FileSystem, from: string, to: string, durably: boolean): Promise<boolean> {
  try {
    // Content first: a name must never lead to bytes that a power cut takes away.
    if (durably) await fs.syncFile(from);
    await fs.link(from, to);
    return true;
  } catch (error) {
    if (NO_LINK.has(errorCode(error) ?? "")) return false;
    throw error;
  }
}

async function copy(fs: FileSystem, input: InputFile, to: string, durably: boolean): Promise<void> {
  const output = await fs.create(to, "exclusive");
  try {
    await copyBytes(input, output);
    if (durably) await output.sync();
    await output.close();
  } catch (error) {
    try {
      await output.close();
      await fs.remove(to);
    } catch (second) {
      const both = new AggregateError([error, second], messageOf(error), { cause: error });
      throw Object.assign(both, { code: errorCode(error) });
    }
    throw error;
  }
}

async function copyBytes(input: InputFile, output: OutputFile): Promise<void> {
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, input.sizeBytes));
  let offset = 0;
  while (offset < input.sizeBytes) {
    const read = await input.read(chunk.subarray(0, Math.min(chunk.length, input.sizeBytes - offset)), offset);
    if (read === 0) throw new SnapshotCorruptError(input.path, { reason: "it has become shorter", offset });
    await output.write(chunk.subarray(0, read));
    offset += read;
  }
}
