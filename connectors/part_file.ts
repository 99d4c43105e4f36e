/**
 * One file of a file sink from its first byte until it is pending: written in large pieces, made durable, renamed.
 *
 * Called by: connectors/file_sink.ts.
 * Calls: core/ only.
 *
 * Invariants:
 * - `#goodBytes` bytes of the file are what was meant, whatever an operation that failed has left behind them;
 * - text that is not in these bytes is still in memory, so that a failed `settle` can be tried again.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";
import type { FileSystem, OutputFile } from "../core/file_system.ts";
import { explained, fileFailure, START_AGAIN } from "./file_failure.ts";

/** Text in memory from which on it is written to the file, characters. */
const FLUSH_CHARACTERS = 64 * 1024;
/** Text in memory from which on records must wait for the file to be made, characters. */
const WAIT_CHARACTERS = 1024 * 1024;
/** Bytes that are copied at a time when a file is written anew. */
const COPY_BYTES = 1024 * 1024;

const utf8 = new TextEncoder();

/** A file that is written. */
export class PartFile {
  readonly #fileSystem: FileSystem;
  readonly #nextPath: () => string;
  #path: string;
  #text = "";
  #file: OutputFile | null = null;
  #opening: Promise<void>;
  #openFailure: { readonly error: unknown } | null = null;
  #goodBytes = 0;
  /** Whether the file may hold more than its good bytes, or bytes that the disk has refused. */
  #damaged = false;

  /**
   * Begins to make the file.
   *
   * @param nextPath A path that no file has.
   */
  constructor(fileSystem: FileSystem, nextPath: () => string) {
    this.#fileSystem = fileSystem;
    this.#nextPath = nextPath;
    this.#path = nextPath();
    this.#opening = this.#open();
  }

  /** Where it is now. */
  get path(): string {
    return this.#path;
  }

  /** About the size that it has reached, bytes. */
  get sizeBytes(): number {
    return this.#goodBytes + this.#text.length;
  }

  /** Appends text. @throws {StreamError} When the file cannot be written. */
  append(text: string): void {
    this.#text += text;
    if (this.#text.length >= FLUSH_CHARACTERS && this.#file !== null) this.#flush(this.#file);
    else if (this.#openFailure !== null) throw this.#openFailure.error;
  }

  /** A promise when too much waits for the file to be made. */
  backpressure(): Promise<void> | undefined {
    return this.#file === null && this.#text.length >= WAIT_CHARACTERS ? this.#opening : undefined;
  }

  /** Makes all content durable and closes the file. May be tried again after an error. */
  async settle(): Promise<void> {
    await this.#opening;
    if (this.#openFailure !== null) await this.#retryOpen();
    if (this.#damaged) await this.#rewrite();
    // Opened above, and set to null only when everything had succeeded.
    const file = this.#file;
    if (file === null) return;
    this.#flush(file);
    try {
      await explained("write", this.#path, file.sync());
      await explained("write", this.#path, file.close());
    } catch (error) {
      // After a failed sync the system may forget the bytes that it could not write: they must be written again.
      this.#damaged = true;
      throw error;
    }
    this.#file = null;
  }

  /** Gives a settled file its next name. */
  async rename(to: string): Promise<void> {
    if (this.#path === to) return;
    await explained("rename", this.#path, this.#fileSystem.rename(this.#path, to));
    this.#path = to;
  }

  /** Closes and removes the file. */
  async discard(): Promise<void> {
    await this.#opening;
    await this.#file?.close();
    this.#file = null;
    if (this.#openFailure === null) await explained("remove", this.#path, this.#fileSystem.remove(this.#path));
  }

  async #open(): Promise<void> {
    try {
      this.#file = await explained("create", this.#path, this.#fileSystem.create(this.#path, "exclusive"));
    } catch (error) {
      this.#openFailure = { error };
    }
  }

  async #retryOpen(): Promise<void> {
    this.#openFailure = null;
    this.#path = this.#nextPath(); // The failed attempt may have left a file.
    this.#opening = this.#open();
    await this.#opening;
    // Set again by #open.
    const failure = this.#openFailure as { readonly error: unknown } | null;
    if (failure !== null) throw failure.error;
  }

  #flush(file: OutputFile): void {
    if (this.#text === "") return;
    if (this.#damaged) throw damagedFile(this.#path);
    const bytes = utf8.encode(this.#text);
    try {
      file.writeSync(bytes);
    } catch (error) {
      this.#damaged = true;
      throw fileFailure("write", this.#path, error);
    }
    this.#goodBytes += bytes.byteLength;
    this.#text = "";
  }

  /** Copies the good bytes to a new file that takes the place of this one. */
  async #rewrite(): Promise<void> {
    const { path: oldPath } = this;
    await this.#file?.close();
    const newPath = this.#nextPath();
    const source = await explained("read", oldPath, this.#fileSystem.open(oldPath));
    const target = await explained("create", newPath, this.#fileSystem.create(newPath, "exclusive"));
    try {
      const chunk = new Uint8Array(COPY_BYTES);
      for (let offset = 0; offset < this.#goodBytes;) {
        const wanted = chunk.subarray(0, Math.min(COPY_BYTES, this.#goodBytes - offset));
        const count = await explained("read", oldPath, source.read(wanted, offset));
        if (count < wanted.byteLength) throw shorterThanWritten(oldPath, offset + count, this.#goodBytes);
        await explained("write", newPath, target.write(wanted));
        offset += count;
      }
    } catch (error) {
      await target.close();
      throw error;
    } finally {
      source.close();
    }
    this.#file = target;
    this.#path = newPath;
    this.#damaged = false;
    await explained("remove", oldPath, this.#fileSystem.remove(oldPath));
  }
}

function damagedFile(path: string): StreamError {
  return new StreamError(
    "unavailable",
    `Cannot write "${path}": an earlier write to it failed, it must be written anew first; ${START_AGAIN}`,
  );
}

function shorterThanWritten(path: string, present: number, written: number): StreamError {
  return new StreamError(
    "unavailable",
    `Cannot write "${path}" anew: it has ${present} bytes, ${written} were written to it; ` +
      `check the disk and ${START_AGAIN}`,
  );
}
