/**
 * The errors that are not a caller's wrong argument, each with a coarse kind to branch on.
 *
 * Called by: every folder.
 * Calls: nothing.
 *
 * @module
 */

/**
 * What to do about a {@link StreamError}: `invalid` = fix the program or its configuration, `unavailable` = try again,
 * `corrupt` = pick another checkpoint.
 */
export type StreamErrorKind = "invalid" | "unavailable" | "corrupt";

/**
 * A failure that is not a wrong argument of the caller (those are `TypeError` and `RangeError`).
 *
 * Branch on {@link StreamError.kind}, never on the text.
 *
 * @example
 * ```ts
 * import { StreamError } from "./errors.ts";
 *
 * const error = new StreamError("unavailable", 'Cannot write "out/a": disk is full; free space and try again');
 * if (error.kind !== "unavailable") throw error;
 * ```
 */
export class StreamError extends Error {
  /** Name of the class, as printed before the message. */
  override readonly name: string = "StreamError";
  /** What to do about it. */
  readonly kind: StreamErrorKind;

  /**
   * Makes an error; `message` is the whole text the user sees.
   *
   * @param kind What to do about it.
   * @param message "Cannot <action> <quoted thing>: <what is>, <what must be>; <remedy>".
   * @param options `cause`: the error that led here; always pass it on.
   */
  constructor(kind: StreamErrorKind, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}

/** Where and why a snapshot file cannot be read. */
export interface SnapshotCorruption {
  /** What differs, e.g. `crc32 is 0x01020304, footer says 0x05060708`. */
  readonly reason: string;
  /** Byte offset in the file at which it was noticed, if known. */
  readonly offset?: number;
  /** The error that led here, if any. */
  readonly cause?: unknown;
}

/** A file of a checkpoint or savepoint is damaged: restore falls back to an older one. */
export class SnapshotCorruptError extends StreamError {
  /** Name of the class, as printed before the message. */
  override readonly name = "SnapshotCorruptError";
  /** The damaged file. */
  readonly path: string;
  /** What differs. */
  readonly reason: string;
  /** Byte offset at which it was noticed, or `undefined` if unknown. */
  readonly offset: number | undefined;

  /**
   * Makes an error that names the file, what differs and the remedy.
   *
   * @param path The damaged file.
   * @param corruption Where and why.
   */
  constructor(path: string, corruption: SnapshotCorruption) {
    const at = corruption.offset === undefined ? "" : ` at byte ${corruption.offset}`;
    super(
      "corrupt",
      `Cannot restore "${path}"${at}: ${corruption.reason}; restore from an older checkpoint or savepoint`,
      "cause" in corruption ? { cause: corruption.cause } : {},
    );
    this.path = path;
    this.reason = corruption.reason;
    this.offset = corruption.offset;
  }
}

/**
 * A local file that running state works on is damaged: a restart goes on from a checkpoint, which is verified first since
 * it may share the file.
 */
export class WorkingFileError extends StreamError {
  /** Name of the class, as printed before the message. */
  override readonly name = "WorkingFileError";
  /** The damaged file. */
  readonly path: string;

  /** Makes an error of what was noticed when the file was read. */
  constructor(damage: SnapshotCorruptError) {
    const at = damage.offset === undefined ? "" : ` at byte ${damage.offset}`;
    super("unavailable", `Cannot read "${damage.path}"${at}: ${damage.reason}; start again from a checkpoint`, {
      cause: damage,
    });
    this.path = damage.path;
  }

  /** The error of this class that led to `error`; undefined when there is none. */
  static in(error: unknown): WorkingFileError | undefined {
    for (let at = error; at instanceof Error; at = at.cause) if (at instanceof WorkingFileError) return at;
    return undefined;
  }
}

/** Text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
