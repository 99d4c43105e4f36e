import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { lmdbRowStoreFactory } from "../../backends/lmdb/lmdb_store_factory.ts";
import { systemFileSystem } from "../../runtime/system_file_system.ts";
import { systemClock } from "../../runtime/system_clock.ts";
import { rowStoreContract } from "../contracts/row_store.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-lmdb-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
let stores = 0;

rowStoreContract("LmdbStore", {
  factory: () => lmdbRowStoreFactory(),
  ports: () => ({ fileSystem: systemFileSystem, clock: systemClock, directory: join(folder, `${stores++}`) }),
  noWorkBecause: "a B+tree is always in order",
});
