/**
 * Reads a file as a stream of chunks from some offset on, unpacking it when its name ends in `.gz`.
 *
 * Called by: connectors/file_split.ts.
 * Calls: core/, connectors/record_scanner.ts; node:zlib and node:stream when a file is packed.
 *
 * Invariants: at most one `next()` runs at a time; a chunk is the caller's to keep.
 *
 * @module
 */
import { crc32 } from "../core/bytes.ts";
import { messageOf, StreamError } from "../core/errors.ts";
import type { FileSystem, InputFile } from "../core/file_system.ts";
import { explained } from "./file_failure.ts";
import { BYTE_ORDER_MARK_BYTES, type Trace } from "./record_scanner.ts";

/** Size of one read. */
const CHUNK_BYTES = 512 * 1024;

/** A file as chunks. */
export interface ByteStream {
  /** The next chunk; null at the end. In a growing file a later call may give more. */
  next(): Promise<Uint8Array | null>;
  /** Bytes of the file itself that were read, for a progress display. */
  readonly fileBytesRead: number;
  /** The file itself. */
  readonly file: InputFile;
  /** What was found before the offset at which it was opened, as far as there was a trace to compare it with. */
  readonly before: Uint8Array;
  /** Safe to call twice. */
  close(): void;
}

/** Whether a file is unpacked on reading. */
export function isPacked(path: string): boolean {
  return path.endsWith(".gz");
}

/**
 * Opens `path` so that the first chunk starts at `offset` bytes of the (unpacked) content.
 *
 * @param trace Of the bytes before `offset`; null when it is not known.
 * @throws {StreamError} "invalid" when the content ends before `offset`, or when there is no line end before it, or other
 * bytes than `trace` says: then it is not the file that was read before.
 */
export async function openByteStream(
  fileSystem: FileSystem,
  path: string,
  offset: number,
  trace: Trace | null,
): Promise<ByteStream> {
  const file = await explained("open", path, fileSystem.open(path));
  const traceLength = Math.min(offset, Math.max(1, trace?.length ?? 0));
  const start = offset - traceLength;
  const stream = isPacked(path) ? new PackedStream(file) : new PlainStream(file, start);
  try {
    if (offset > 0) {
      await skip(stream, path, isPacked(path) ? start : 0, offset, traceLength);
      if (trace !== null && trace.length > 0 && crc32(stream.before) !== trace.crc) throw replaced(path, offset);
    }
    return stream;
  } catch (error) {
    stream.close();
    throw error;
  }
}

/** Drops `count` bytes, sets those up to `offset` aside, and puts the rest of the chunk back. */
async function skip(
  stream: PlainStream | PackedStream,
  path: string,
  count: number,
  offset: number,
  traceLength: number,
): Promise<void> {
  const before = new Uint8Array(traceLength);
  const total = count + traceLength;
  for (let done = 0; done < total;) {
    const chunk = await stream.next();
    if (chunk === null) {
      throw new StreamError(
        "invalid",
        `Cannot go on reading "${path}": it ends before byte ${offset}, up to which it was read before; ` +
          "put the old file back, or start without --from",
      );
    }
    const taken = chunk.subarray(0, total - done);
    if (done + taken.byteLength > count) {
      before.set(taken.subarray(Math.max(0, count - done)), Math.max(0, done - count));
    }
    done += taken.byteLength;
    stream.putBack(chunk.subarray(taken.byteLength));
  }
  if (offset > BYTE_ORDER_MARK_BYTES && before[traceLength - 1] !== LINE_END) {
    throw new StreamError(
      "invalid",
      `Cannot go on reading "${path}": byte ${offset - 1} does not end a line, so it is not the file that was ` +
        "read before; put the old file back, or start without --from",
    );
  }
  stream.before = before;
}

function replaced(path: string, offset: number): StreamError {
  return new StreamError(
    "invalid",
    `Cannot go on reading "${path}": what it holds before byte ${offset} is not what was read before, so it is another ` +
      "file or was written anew; put the old file back, or start without --from",
  );
}

const LINE_END = 10;

class PlainStream implements ByteStream {
  readonly file: InputFile;
  before: Uint8Array = new Uint8Array(0);
  #offset: number;
  #kept: Uint8Array | null = null;

  constructor(file: InputFile, offset: number) {
    this.file = file;
    this.#offset = offset;
  }

  get fileBytesRead(): number {
    return this.#offset;
  }

  putBack(chunk: Uint8Array): void {
    if (chunk.byteLength > 0) this.#kept = chunk;
  }

  async next(): Promise<Uint8Array | null> {
    if (this.#kept !== null) {
      const kept = this.#kept;
      this.#kept = null;
      return kept;
    }
    const chunk = new Uint8Array(CHUNK_BYTES);
    const count = await explained("read", this.file.path, this.file.read(chunk, this.#offset));
    this.#offset += count;
    return count === 0 ? null : chunk.subarray(0, count);
  }

  close(): void {
    this.file.close();
  }
}

class PackedStream implements ByteStream {
  readonly file: InputFile;
  before: Uint8Array = new Uint8Array(0);
  readonly #packed: PlainStream;
  readonly #path: string;
  #unpacked: AsyncIterator<Uint8Array> | null = null;
  #kept: Uint8Array | null = null;
  #stop: (() => void) | null = null;

  constructor(file: InputFile) {
    this.file = file;
    this.#packed = new PlainStream(file, 0);
    this.#path = file.path;
  }

  get fileBytesRead(): number {
    return this.#packed.fileBytesRead;
  }

  putBack(chunk: Uint8Array): void {
    if (chunk.byteLength > 0) this.#kept = chunk;
  }

  async next(): Promise<Uint8Array | null> {
    if (this.#kept !== null) {
      const kept = this.#kept;
      this.#kept = null;
      return kept;
    }
    this.#unpacked ??= await this.#unpack();
    try {
      const step = await this.#unpacked.next();
      return step.done === true ? null : step.value;
    } catch (error) {
      if (error instanceof StreamError) throw error;
      const reason = messageOf(error);
      throw new StreamError("invalid", `Cannot unpack "${this.#path}": ${reason}; pack it again`, { cause: error });
    }
  }

  close(): void {
    this.#stop?.();
    this.#packed.close();
  }

  async #unpack(): Promise<AsyncIterator<Uint8Array>> {
    // Loaded here, because they cost milliseconds at the start of a script and few files are packed.
    const [{ createGunzip }, { pipeline, Readable }] = await Promise.all([import("node:zlib"), import("node:stream")]);
    const packed = this.#packed;
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let chunk = await packed.next(); chunk !== null; chunk = await packed.next()) yield chunk;
    }
    const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
    // Errors reach the iterator below, which is where they are reported.
    pipeline(Readable.from(chunks()), gunzip, () => {});
    this.#stop = () => void gunzip.destroy();
    return gunzip[Symbol.asyncIterator]();
  }
}
