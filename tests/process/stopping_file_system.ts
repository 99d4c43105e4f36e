/** Stops the process at a chosen operation on the disk, so that a test can kill it exactly there. */
import { writeSync } from "node:fs";
import type { FileSystem, OutputFile } from "../../core/file_system.ts";

/** What is counted. */
export type Operation = "create" | "write" | "sync" | "rename" | "link" | "remove" | "syncDirectory";

/** Where to stop: `before` or `after` the nth operation (1 = first) on a path that matches `part`, or with half of a write done. */
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

/** The file system, which stops the whole process at `point`. */
export function stoppingFileSystem(inner: FileSystem, point: StopPoint): FileSystem {
  const part = new RegExp(point.part);
  let count = 0;
  const isDue = (operation: Operation, path: string): boolean =>
    (point.operation === "any" || point.operation === operation) && part.test(path) && ++count === point.n;

  async function run<T>(operation: Operation, path: string, act: () => Promise<T>): Promise<T> {
    const due = isDue(operation, path);
    if (due && point.when !== "after") standStill();
    const result = await act();
    if (due) standStill();
    return result;
  }

  function runSync<T>(operation: Operation, path: string, act: () => T): T {
    const due = isDue(operation, path);
    if (due && point.when !== "after") standStill();
    const result = act();
    if (due) standStill();
    return result;
  }

  const output = (file: OutputFile): OutputFile => ({
    path: file.path,
    get sizeBytes() {
      return file.sizeBytes;
    },
    async write(bytes) {
      const due = isDue("write", file.path);
      if (due && point.when === "before") standStill();
      await file.write(due && point.when === "half" ? bytes.subarray(0, bytes.length >> 1) : bytes);
      if (due) standStill();
    },
    writeSync(bytes) {
      const due = isDue("write", file.path);
      if (due && point.when === "before") standStill();
      if (due && point.when === "half") file.writeSync(bytes.subarray(0, bytes.length >> 1));
      else file.writeSync(bytes);
      if (due) standStill();
    },
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
