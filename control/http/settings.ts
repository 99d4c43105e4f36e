/**
 * Turns the options of the HTTP API into its settings, and refuses what would not be safe.
 *
 * Called by: whoever starts the API.
 * Calls: control/http/options.ts.
 *
 * @module
 */
import type { Configuration } from "../../core/config.ts";
import { errorCode } from "../../core/file_system.ts";
import { UsageError } from "../usage_error.ts";
import type { ApiSettings } from "./context.ts";
import { isLoopback, LOOPBACK_HOSTS } from "./guard.ts";
import {
  REST_ADDRESS,
  REST_ALLOWED_ORIGINS,
  REST_BIND_ADDRESS,
  REST_MAX_CONTENT_LENGTH,
  REST_STORE_DURATION,
  REST_TOKEN,
  REST_TOKEN_FILE,
  WEB_EXCEPTION_HISTORY_SIZE,
  WEB_REFRESH_INTERVAL,
} from "./options.ts";

/** What one binds to for every address of the machine. */
const EVERYWHERE: readonly string[] = ["0.0.0.0", "::", "[::]"];

/** Reads a whole file. */
export type ReadFile = (path: string) => Promise<Uint8Array>;

/**
 * The settings of the API.
 *
 * @throws {UsageError} If the token cannot be read, or is missing where one is needed.
 */
export async function apiSettings(configuration: Configuration, readFile: ReadFile): Promise<ApiSettings> {
  const token = await tokenOf(configuration, readFile);
  const bindAddress = configuration.get(REST_BIND_ADDRESS);
  if (token === null && !isLoopback(bindAddress)) {
    throw new UsageError(
      `Cannot serve the HTTP API on "${bindAddress}": other machines may reach it, so a token is needed; ` +
        "set rest.auth.token or rest.auth.token-file, or leave rest.bind-address at 127.0.0.1",
    );
  }
  const address = configuration.get(REST_ADDRESS);
  const hosts = [...LOOPBACK_HOSTS, hostOf(bindAddress), ...(address === undefined ? [] : [hostOf(address)])];
  return {
    token,
    hosts: new Set(hosts),
    listensEverywhere: EVERYWHERE.includes(bindAddress),
    allowedOrigins: configuration.get(REST_ALLOWED_ORIGINS) ?? [],
    maxContentLength: configuration.get(REST_MAX_CONTENT_LENGTH),
    storeDurationMs: configuration.get(REST_STORE_DURATION),
    refreshIntervalMs: configuration.get(WEB_REFRESH_INTERVAL),
    exceptionHistorySize: configuration.get(WEB_EXCEPTION_HISTORY_SIZE),
  };
}

/** An address as it stands in a Host header. */
export function hostOf(address: string): string {
  const bare = address.toLowerCase();
  return bare.includes(":") && !bare.startsWith("[") ? `[${bare}]` : bare;
}

async function tokenOf(configuration: Configuration, readFile: ReadFile): Promise<string | null> {
  const path = configuration.get(REST_TOKEN_FILE);
  const token = configuration.get(REST_TOKEN);
  if (path === undefined) return token ?? null;
  if (token !== undefined) {
    throw new UsageError("Cannot choose a token: rest.auth.token and rest.auth.token-file are set; set one of them");
  }
  const firstLine = new TextDecoder().decode(await contentOf(path, readFile)).split(/\r?\n/)[0]?.trim() ?? "";
  return REST_TOKEN.parse(firstLine, `the first line of file "${path}"`) ?? null;
}

async function contentOf(path: string, readFile: ReadFile): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const reason = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
    throw new UsageError(
      `Cannot read the token from file "${path}": ${reason}; rest.auth.token-file must be readable`,
      {
        cause: error,
      },
    );
  }
}
