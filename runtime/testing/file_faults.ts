/**
 * What is to go wrong with the files of a test: faults that wait for their operation, and a halt.
 *
 * Called by: memory_file_system.ts; tests name operations.
 * Calls: nothing.
 *
 * @module
 */

/** What can be made to fail. */
export type FileOperation =
  | "create"
  | "write"
  | "sync"
  | "close"
  | "open"
  | "read"
  | "readFile"
  | "makeDirectory"
  | "list"
  | "status"
  | "rename"
  | "link"
  | "remove"
  | "removeDirectory"
  | "syncDirectory";

/** An error to come. */
export interface Fault {
  /** Absent: any operation. */
  readonly operation?: FileOperation;
  /** Part of the path, or a pattern for it. Absent: any path. For rename and link both paths are tried. */
  readonly path?: string | RegExp;
  /** POSIX name that the error carries, such as "ENOSPC". */
  readonly code: string;
  /** Matching operations that still succeed; 0 when absent. */
  readonly after?: number;
  /** Matching operations that fail; 1 when absent, Infinity for "from now on". */
  readonly times?: number;
  /** Of a failing write, bytes that reach the file all the same; 0 when absent. */
  readonly tornBytes?: number;
}

interface Armed {
  readonly fault: Fault;
  after: number;
  times: number;
}

/** An error as the runtime throws it: only `code` may be relied on. */
export function fileError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} "${path}"`), { code });
}

/** Faults that are armed. */
export class FileFaults {
  #armed: Armed[] = [];
  #haltAfter = Number.POSITIVE_INFINITY;

  /** Arms a fault; the first that matches strikes. */
  arm(fault: Fault): void {
    this.#armed.push({ fault, after: fault.after ?? 0, times: fault.times ?? 1 });
  }

  /** Disarms all, and ends a halt. */
  heal(): void {
    this.#armed = [];
    this.#haltAfter = Number.POSITIVE_INFINITY;
  }

  /** So many more operations succeed; then all fail with code EHALT. */
  haltAfter(operations: number): void {
    this.#haltAfter = operations;
  }

  /** The fault of an operation that is to begin; null if it may. @param other The second path of a rename or link. */
  strike(operation: FileOperation, path: string, other?: string): Fault | null {
    if (this.#haltAfter <= 0) return { code: "EHALT" };
    this.#haltAfter--;
    for (const armed of this.#armed) {
      const { fault } = armed;
      if (fault.operation !== undefined && fault.operation !== operation) continue;
      if (!matches(fault.path, path) && !(other !== undefined && matches(fault.path, other))) continue;
      if (armed.after > 0) {
        armed.after--;
        continue;
      }
      if (armed.times <= 0) continue;
      armed.times--;
      return fault;
    }
    return null;
  }
}

function matches(pattern: string | RegExp | undefined, path: string): boolean {
  if (pattern === undefined) return true;
  return typeof pattern === "string" ? path.includes(pattern) : pattern.test(path);
}
