/**
 * Declares the options of the HTTP API: where it listens, who is let in, how long results are kept.
 *
 * Called by: control/known_options.ts (checks and documents them), control/http/settings.ts (reads them).
 * Calls: core/config_option.ts. Loads nothing of the API itself.
 *
 * @module
 */
import type { AnyOption } from "../../core/config.ts";
import {
  type ConfigOption,
  durationOption,
  intOption,
  listOption,
  sizeOption,
  stringOption,
} from "../../core/config_option.ts";

/** Port of the HTTP API; there is none without it. */
export const REST_PORT: ConfigOption<number | undefined> = intOption("rest.port", {
  default: undefined,
  min: 0,
  max: 65_535,
  description:
    "Port of the HTTP API, which runs as long as the job; there is none without it. 0 takes any free port, " +
    "which is shown at the start.",
});

/** Address that the API listens on. */
export const REST_BIND_ADDRESS: ConfigOption<string> = stringOption("rest.bind-address", {
  default: "127.0.0.1",
  reject: (address) => (/^[\w.:-]+$/.test(address) ? undefined : "an IP address or a name"),
  description: "Address that the HTTP API listens on. Any other than a loopback address needs a token.",
});

/** Name by which clients call the API. */
export const REST_ADDRESS: ConfigOption<string | undefined> = stringOption("rest.address", {
  default: undefined,
  reject: (address) => (/^[\w.:-]+$/.test(address) ? undefined : "an IP address or a name"),
  description: "Name or address by which clients call the HTTP API, besides the one that it listens on; requests for " +
    "any other are refused, so that no web page reaches it under a name of its own.",
});

/** What clients must know. */
export const REST_TOKEN: ConfigOption<string | undefined> = stringOption("rest.auth.token", {
  default: undefined,
  reject: (token) => (/^[\x21-\x7e]{16,1024}$/.test(token) ? undefined : "16 to 1024 visible ASCII characters"),
  description: "Token that clients of the HTTP API must send as `Authorization: Bearer …`. Better in the environment " +
    "or in a file than on the command line, which others can read.",
});

/** File whose first line is the token. */
export const REST_TOKEN_FILE: ConfigOption<string | undefined> = stringOption("rest.auth.token-file", {
  default: undefined,
  reject: (path) => (path === "" ? "the path of a file" : undefined),
  description: "File whose first line is the token, as for `rest.auth.token`, which must then not be set.",
});

/** Web pages that may use the API. */
export const REST_ALLOWED_ORIGINS: ConfigOption<readonly string[] | undefined> = listOption(
  "rest.cors.allowed-origins",
  {
    default: undefined,
    reject: (origins) =>
      origins.every(isOrigin) ? undefined : "origins such as http://localhost:4200, one by one and without a path",
    description:
      "Origins of web pages that may use the HTTP API, such as `http://localhost:4200` of a dashboard; pages " +
      "of all others are refused.",
  },
);

/** How long the result of an operation can be asked for, milliseconds. */
export const REST_STORE_DURATION: ConfigOption<number> = durationOption("rest.async.store-duration", {
  default: 300_000,
  min: 0,
  description: "How long after its end the result of a savepoint, a checkpoint or a disposal can be asked for.",
});

/** Largest body of a request, bytes. */
export const REST_MAX_CONTENT_LENGTH: ConfigOption<number> = sizeOption("rest.server.max-content-length", {
  default: 1_048_576,
  min: 1024,
  max: 104_857_600,
  description: "Largest body of a request to the HTTP API.",
});

/** How often a dashboard asks, milliseconds. */
export const WEB_REFRESH_INTERVAL: ConfigOption<number> = durationOption("web.refresh-interval", {
  default: 3_000,
  min: 1,
  description: "How often a dashboard asks for news.",
});

/** How many failures of a job are told. */
export const WEB_EXCEPTION_HISTORY_SIZE: ConfigOption<number> = intOption("web.exception-history-size", {
  default: 16,
  min: 1,
  max: 16,
  description: "How many failures of a job the HTTP API tells, the newest first.",
});

/** Every option of the HTTP API, in the order of the reference page. */
export const HTTP_OPTIONS: readonly AnyOption[] = [
  REST_PORT,
  REST_BIND_ADDRESS,
  REST_ADDRESS,
  REST_TOKEN,
  REST_TOKEN_FILE,
  REST_ALLOWED_ORIGINS,
  REST_STORE_DURATION,
  REST_MAX_CONTENT_LENGTH,
  WEB_REFRESH_INTERVAL,
  WEB_EXCEPTION_HISTORY_SIZE,
];

/** Whether a text is the origin of a web page, spelled as browsers spell it. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:/.test(text) && new URL(text).origin === text;
}
