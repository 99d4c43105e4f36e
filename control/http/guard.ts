/**
 * Decides whether a request is let in at all, before any route sees it. Pure.
 *
 * Called by: control/http/api.ts.
 * Calls: control/http/token.ts, `node:net` for the form of addresses.
 *
 * A web page can make a browser send requests to loopback. It cannot choose the `Host` (its own name, also when that
 * leads to 127.0.0.1) nor the `Origin` that the browser adds to all that changes something, nor send JSON without
 * asking first. So `Host`, `Origin` and media type are checked, whether or not there is a token.
 *
 * @module
 */
import { isIP } from "node:net";
import { ApiError } from "./api_error.ts";
import type { ApiSettings } from "./context.ts";
import { carriesToken } from "./token.ts";

/** Longest path with its query, characters. */
export const MAX_URL_LENGTH = 8_192;
/** Headers in all, characters. */
export const MAX_HEADER_LENGTH = 32_768;

/** Names of this machine for itself. */
export const LOOPBACK_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** Paths that need no token: they tell nothing. */
const OPEN_PATHS: readonly string[] = ["/healthz"];

/** A request that is let in. */
export interface Admission {
  /** Whether it has the token; false when there is none to have. */
  readonly isAuthenticated: boolean;
  /** Origin of the listed web page that it comes from; null when it comes from none. */
  readonly origin: string | null;
}

/** Whether an address is one of this machine for itself. */
export function isLoopback(address: string): boolean {
  const bare = address.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  return bare === "localhost" || bare === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare);
}

/**
 * Lets a request in or not.
 *
 * @param path Without the prefix of the version.
 * @throws {ApiError} The answer, if it is not let in.
 */
export function admit(request: Request, path: string, settings: ApiSettings): Admission {
  checkSizes(request);
  checkHost(request.headers.get("host"), settings);
  const origin = checkOrigin(request, settings);
  const isPreflight = request.method === "OPTIONS" && origin !== null;
  const isOpen = isPreflight || OPEN_PATHS.includes(path);
  const { token } = settings;
  const isAuthenticated = token !== null && carriesToken(request.headers.get("authorization"), token);
  if (token !== null && !isAuthenticated && !isOpen) {
    throw new ApiError(401, "The token is missing or wrong; send it as Authorization: Bearer …", {
      "WWW-Authenticate": "Bearer",
    });
  }
  return { isAuthenticated, origin };
}

/** What a browser is told that asks whether a listed page may send a request. */
export function preflightHeaders(): Readonly<Record<string, string>> {
  return {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
  };
}

/** The headers of every answer, refusals as well. */
export function answerHeaders(
  request: Request,
  { allowedOrigins }: Pick<ApiSettings, "allowedOrigins">,
): Readonly<Record<string, string>> {
  const origin = request.headers.get("origin");
  const isListed = origin !== null && allowedOrigins.includes(origin);
  const cors = isListed ? { "Access-Control-Allow-Origin": origin } : {};
  return { ...cors, Vary: "Origin", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" };
}

/** Refuses a body that is not JSON. @throws {ApiError} 415. */
export function checkMediaType(contentType: string | null): void {
  const type = (contentType ?? "").split(";")[0]?.trim().toLowerCase();
  if (type === "application/json") return;
  throw new ApiError(415, `The body must be of type application/json, not ${shown(contentType)}`);
}

function checkSizes(request: Request): void {
  const { pathname, search } = new URL(request.url);
  if (pathname.length + search.length > MAX_URL_LENGTH) {
    throw new ApiError(414, `The path with its query must have at most ${MAX_URL_LENGTH} characters`);
  }
  let headerLength = 0;
  for (const [name, value] of request.headers) headerLength += name.length + value.length + 4;
  if (headerLength > MAX_HEADER_LENGTH) {
    throw new ApiError(431, `The headers must have at most ${MAX_HEADER_LENGTH} characters in all`);
  }
}

function checkHost(host: string | null, { hosts, listensEverywhere }: ApiSettings): void {
  const name = hostNameOf(host);
  if (name === undefined) throw new ApiError(400, "The Host header is missing or malformed");
  // A web page can come by a name that leads here, never by an address: that is always the page's own.
  if (hosts.has(name) || (listensEverywhere && isAddress(name))) return;
  throw new ApiError(403, "The Host header names another machine; set rest.address to the name that clients use");
}

/** The listed origin; null when there is no origin, or it is the API's own. */
function checkOrigin(request: Request, { allowedOrigins }: ApiSettings): string | null {
  const origin = request.headers.get("origin");
  if (origin === null) return null;
  if (allowedOrigins.includes(origin)) return origin;
  const host = request.headers.get("host")?.toLowerCase();
  if (origin === `http://${host}`) return null;
  throw new ApiError(403, "The web page that asks is of another origin; list it in rest.cors.allowed-origins");
}

/** The name in a Host header, in lower case and without port; undefined when it is malformed. */
function hostNameOf(host: string | null): string | undefined {
  return /^(\[[0-9a-f:.]+\]|[\w.-]+)(?::\d{1,5})?$/i.exec(host ?? "")?.[1]?.toLowerCase();
}

/** Whether the name of a host is an IP address. */
function isAddress(name: string): boolean {
  return isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0;
}

function shown(contentType: string | null): string {
  return contentType === null ? "none" : `"${contentType.slice(0, 100)}"`;
}
