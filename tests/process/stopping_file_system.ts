/** Stops the process at a chosen operation on the disk, so that a test can kill it exactly there. */
import { writeSync } from "node:fs";
import type { FileSystem, OutputFile } from "../../core/file_system.ts";

/** What is counted. */
export type Operation = "create" | "write" | "sync" | "rename" | "link" | "remove" | "syncDirectory";

/**
 * Where to stop: before the nth attempt (1 = first) at an operation on a path that matches `part`, with half of the nth
 * write done, or after the nth success.
 */
export interface StopPoint {
  readonly when: "before" | "half" | "after";
  readonly operation: Operation | "any";
  /** A regular expression. */
  readonly part: string;
  readonly n: number;
}

/** What the process prints on standard output when it stands still. */
export const STOPPED = "stopped here";

/** Reads what `stopPointText` writes: "before,rename,part-,2". */
export function parseStopPoint(text: string): StopPoint {
  const [when, operation, part, n] = text.split(",");
  // Only `stopPointText` makes these texts.
  return { when, operation, part, n: Number(n) } as StopPoint;
}

/** The text for the command line. */
export function stopPointText({ when, operation, part, n }: StopPoint): string {
  return `${when},${operation},${part},${n}`;
}

/** Nothing of this process goes on after this, but what the system has already taken over. */
function standStill(): never {
  writeSync(1, `${STOPPED}\n`);
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/**
 * The file system, which stops the whole process at `point`. What fails is not counted for a stop after it: a restart that
 * finds both names of a file there tries to link it again, which must not use up the stop.
 *
 * @param stop Does not return.
 */
export function stoppingFileSystem(inner: FileSystem, point: StopPoint, stop: () => never = standStill): FileSystem {
  const part = new RegExp(point.part);
  let count = 0;
  const isDue = (when: StopPoint["when"], operation: Operation, path: string): boolean =>
    point.when === when && (point.operation === "any" || point.operation === operation) && part.test(path) &&
    ++count === point.n;

  async function run<T>(operation: Operation, path: string, act: () => Promise<T>): Promise<T> {
    if (isDue("before", operation, path)) stop();
    const result = await act();
    if (isDue("after", operation, path)) stop();
    return result;
  }

  function runSync<T>(operation: Operation, path: string, act: () => T): T {
    if (isDue("before", operation, path)) stop();
    const result = act();
    if (isDue("after", operation, path)) stop();
    return result;
  }

  const output = (file: OutputFile): OutputFile => ({
    path: file.path,
    get sizeBytes() {
      return file.sizeBytes;
    },
    write: (bytes) =>
      run("write", file.path, async () => {
        const isHalf = isDue("half", "write", file.path);
        await file.write(isHalf ? bytes.subarray(0, bytes.length >> 1) : bytes);
        if (isHalf) stop();
      }),
    writeSync: (bytes) =>
      runSync("write", file.path, () => {
        const isHalf = isDue("half", "write", file.path);
        file.writeSync(isHalf ? bytes.subarray(0, bytes.length >> 1) : bytes);
        if (isHalf) stop();
      }),
    sync: () => run("sync", file.path, () => file.sync()),
    close: () => file.close(),
    closeSync: () => file.closeSync(),
  });
  return {
    ...inner,
    create: (path, mode) => run("create", path, async () => output(await inner.create(path, mode))),
    createSync: (path, mode) => runSync("create", path, () => output(inner.createSync(path, mode))),
    removeSync: (path) => runSync("remove", path, () => inner.removeSync(path)),
    rename: (from, to) => run("rename", to, () => inner.rename(from, to)),
    link: (from, to) => run("link", to, () => inner.link(from, to)),
    remove: (path) => run("remove", path, () => inner.remove(path)),
    removeDirectory: (path) => run("remove", path, () => inner.removeDirectory(path)),
    syncFile: (path) => run("sync", path, () => inner.syncFile(path)),
    syncDirectory: (path) => run("syncDirectory", path, () => inner.syncDirectory(path)),
  };
}
