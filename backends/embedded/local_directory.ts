/**
 * Finds the folder that state on disk works in: the first of several that can be written to.
 *
 * Called by: whoever makes backends from configuration.
 * Calls: the FileSystem port.
 *
 * @module
 */
import type { Random } from "../../core/clock.ts";
import { messageOf, StreamError } from "../../core/errors.ts";
import type { FileSystem } from "../../core/file_system.ts";

/**
 * The first usable folder of `paths`, made if it is not there; looks by writing a file.
 *
 * @param key Of the option, for the error.
 * @throws {StreamError} If none can be written to, with the reason of each.
 */
export async function firstUsableDirectory(
  paths: readonly string[],
  { fileSystem, random, key }: { readonly fileSystem: FileSystem; readonly random: Random; readonly key: string },
): Promise<string> {
  const reasons: string[] = [];
  let cause: unknown;
  for (const path of paths) {
    try {
      await tryDirectory(path, fileSystem, random);
      return path;
    } catch (error) {
      cause ??= error;
      reasons.push(`"${path}": ${messageOf(error)}`);
    }
  }
  throw new StreamError(
    "invalid",
    `Cannot keep state on disk: no folder of ${key} can be written to; name one that can (${reasons.join("; ")})`,
    { cause },
  );
}

async function tryDirectory(path: string, fileSystem: FileSystem, random: Random): Promise<void> {
  await fileSystem.makeDirectory(path);
  const probe = `${path}/.weir-probe-${random.id()}`;
  try {
    const file = await fileSystem.create(probe, "exclusive");
    try {
      await file.write(new Uint8Array(1));
    } finally {
      await file.close();
    }
  } finally {
    await fileSystem.remove(probe);
  }
}
