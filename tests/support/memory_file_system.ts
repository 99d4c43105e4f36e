/** The file system in memory, which users' tests have too. */
export { MemoryFileSystem } from "../../runtime/testing/memory_file_system.ts";
export { type FileOperation } from "../../runtime/testing/file_faults.ts";
