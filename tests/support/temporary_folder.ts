/** Makes folders on the real disk that are gone when the tests of this process have ended, on either runtime. */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** A new empty folder, its path without links. @param name What its name begins with. */
export function temporaryFolder(name: string): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), `${name}-`)));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  // `deno test` tells a module of its end by the one, Bun by the other.
  globalThis.addEventListener?.("unload", remove);
  process.on("exit", remove);
  return folder;
}
