/** The file system in memory, which users' tests have too. */
export { type FileOperation, MemoryFileSystem } from "../../runtime/testing/memory_file_system.ts";
