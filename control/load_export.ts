/**
 * Loads what a user's own file exports. A reference in the configuration names it: file, `#`, export.
 *
 * Called by: control/ for state backends and options factories that the configuration names; loaded only then.
 * Calls: the user's file, by dynamic import.
 *
 * @module
 */
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Configuration } from "../core/config.ts";
import { isJavaClassName } from "../core/config_option.ts";
import { messageOf, StreamError } from "../core/errors.ts";
import type { FileSystem } from "../core/file_system.ts";
import { nearestName } from "../core/nearest_name.ts";
import { currentDirectory } from "./process_surroundings.ts";

/** What a load needs. */
export interface LoadPorts {
  /** Tells a file that is missing from one that fails. */
  readonly fileSystem: Pick<FileSystem, "status">;
  /** The option that names the export, for messages: `state.backend.type`. */
  readonly option: string;
}

/**
 * Loads an export: `./path.ts#name` from the working directory, an absolute path or a `file:` URL; without `#name` it is
 * the default export.
 *
 * @throws {StreamError} "invalid", with the option and what to write instead: it is no such reference, there is no such
 *   file, the file fails, or it has no such export.
 */
export async function loadExport(reference: string, ports: LoadPorts): Promise<unknown> {
  const { url, path, name } = placeOf(reference, ports);
  await checkFile(reference, path, ports);
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = await import(url);
  } catch (cause) {
    throw refusal(reference, ports, `the file fails when it is loaded: ${failureOf(cause)}`, { cause });
  }
  if (Object.hasOwn(exported, name) && exported[name] !== undefined) return exported[name];
  const names = Object.keys(exported);
  const nearest = nearestName(name, names);
  const has = names.length === 0 ? "it exports nothing" : `it exports ${names.join(", ")}`;
  const remedy = nearest === undefined ? "export it, or name another after #" : `did you mean #${nearest}?`;
  throw refusal(reference, ports, `the file has no export "${name}", ${has}; ${remedy}`);
}

/**
 * What an export stands for: an object is itself, a class is made and a function is called with the configuration.
 *
 * @throws What the class or function throws; its promise is awaited.
 */
export async function productOf(exported: unknown, configuration: Configuration): Promise<unknown> {
  if (typeof exported !== "function") return exported;
  if (/^class\b/.test(Function.prototype.toString.call(exported))) {
    // A class, as the test of its text has shown.
    return new (exported as new (configuration: Configuration) => unknown)(configuration);
  }
  return await exported(configuration);
}

function placeOf(reference: string, ports: LoadPorts): { url: string; path: string; name: string } {
  const at = reference.lastIndexOf("#");
  const file = at < 0 ? reference : reference.slice(0, at);
  const name = at < 0 ? "default" : reference.slice(at + 1);
  const wanted = 'must be "./path.ts#name", a file with the name of its export';
  if (isJavaClassName(reference)) throw refusal(reference, ports, `it names a class of Java, ${wanted}`);
  if (/^[a-z][a-z0-9+.-]+:/i.test(file) && !/^file:/i.test(file)) {
    throw refusal(reference, ports, `it is not on this machine, ${wanted}; import it in a file of your own`);
  }
  if (file === "" || name === "") throw refusal(reference, ports, `a part is missing, ${wanted}`);
  try {
    const url = /^file:/i.test(file) ? new URL(file) : pathToFileURL(resolve(currentDirectory(), file));
    return { url: url.href, path: fileURLToPath(url), name };
  } catch (cause) {
    throw refusal(reference, ports, `it is no path, ${wanted}`, { cause });
  }
}

/** Says what is wrong with the file before it is loaded: afterwards a file that it imports may be what is missing. */
async function checkFile(reference: string, path: string, ports: LoadPorts): Promise<void> {
  let kind: string | undefined;
  try {
    kind = (await ports.fileSystem.status(path))?.kind;
  } catch (cause) {
    const denied = cause instanceof Error && (cause.name === "NotCapable" || /read access/.test(cause.message));
    const why = denied ? `the permission is missing; run with --allow-read=${path}` : messageOf(cause);
    throw refusal(reference, ports, why, { cause });
  }
  if (kind === "file") return;
  const is = kind === undefined ? `there is no file "${path}"` : `"${path}" is no file`;
  throw refusal(reference, ports, `${is}; a path is relative to the working directory`);
}

function failureOf(cause: unknown): string {
  // Bun gathers what is wrong with the text of a file.
  if (cause instanceof AggregateError && cause.errors.length > 0) return messageOf(cause.errors[0]);
  return messageOf(cause);
}

function refusal(reference: string, { option }: LoadPorts, is: string, options?: { cause: unknown }): StreamError {
  return new StreamError("invalid", `Cannot load "${reference}" for option "${option}": ${is}`, options);
}
