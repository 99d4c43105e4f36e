import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { apiSettings } from "../../control/http/settings.ts";
import { loadConfiguration } from "../../control/config_sources.ts";
import { isLoopback } from "../../control/http/guard.ts";
import { UsageError } from "../../control/usage_error.ts";
import { Configuration } from "../../core/config.ts";

const TOKEN = "0123456789abcdef";

function settings(entries: Record<string, unknown>, files: Record<string, string> = {}) {
  return apiSettings(Configuration.of(entries), (path) => {
    const content = files[path];
    if (content !== undefined) return Promise.resolve(new TextEncoder().encode(content));
    return Promise.reject(Object.assign(new Error("no such file"), { code: "ENOENT" }));
  });
}

function refuses(entries: Record<string, unknown>, message: RegExp, files?: Record<string, string>): Promise<void> {
  return rejects(settings(entries, files), (error) => error instanceof Error && message.test(error.message));
}

test("the API listens on loopback without a token, anywhere else only with one", async () => {
  equal((await settings({})).token, null);
  for (const address of ["127.0.0.1", "localhost", "::1", "127.8.9.10"]) {
    await settings({ "rest.bind-address": address });
  }
  for (const address of ["0.0.0.0", "::", "192.168.1.5", "box.local", "127.0.0.1.evil.example", "localhost.evil"]) {
    await refuses(
      { "rest.bind-address": address },
      /^Cannot serve the HTTP API on ".*": .*token is needed; set rest\.auth/,
    );
    const read = await settings({ "rest.bind-address": address, "rest.auth.token": TOKEN });
    deepEqual([read.token, read.listensEverywhere], [TOKEN, address === "0.0.0.0" || address === "::"]);
  }
});

test("isLoopback() knows the addresses of this machine for itself, and no other", () => {
  const own = ["127.0.0.1", "127.255.0.9", "localhost", "LOCALHOST", "::1", "[::1]"];
  const others = ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example", "localhost.", "128.0.0.1", "", "::2"];
  deepEqual([own.every(isLoopback), others.some(isLoopback)], [true, false]);
});

test("the token comes from the option, or from the first line of a file", async () => {
  equal((await settings({ "rest.auth.token": TOKEN })).token, TOKEN);
  const files = { "token.txt": `  ${TOKEN}\t\r\nsecond line\n` };
  equal((await settings({ "rest.auth.token-file": "token.txt" }, files)).token, TOKEN);
  await refuses({ "rest.auth.token-file": "token.txt", "rest.auth.token": TOKEN }, /set one of them/, files);
});

test("the token comes from the environment", async () => {
  const { configuration } = await loadConfiguration({
    commandLine: { entries: {}, configPath: undefined },
    environment: { WEIR_REST_AUTH_TOKEN: TOKEN, WEIR_REST_PORT: "0" },
    readFile: () => Promise.resolve(null),
  });
  equal((await apiSettings(configuration, () => Promise.reject(new Error("no file is asked for")))).token, TOKEN);
  deepEqual(configuration.shown().map(({ value }) => value), ["******", "0"]);
});

test("a token that is missing, too short or unreadable is refused without being told", async () => {
  await refuses({ "rest.auth.token-file": "none.txt" }, /^Cannot read the token from file "none\.txt": ENOENT;/);
  for (const content of ["", "\n\n", "short", `two words ${TOKEN}`]) {
    await refuses(
      { "rest.auth.token-file": "f" },
      /^Cannot use option "rest\.auth\.token" from the first line.*must be 16/,
      {
        f: content,
      },
    );
  }
  await rejects(settings({ "rest.auth.token": "my-short-secret" }), (error) => {
    return error instanceof Error && !error.message.includes("my-short");
  });
});

test("allowed origins are spelled as browsers send them, one by one", async () => {
  const { allowedOrigins } = await settings({
    "rest.cors.allowed-origins": "http://localhost:4200;https://dash.example",
  });
  deepEqual(allowedOrigins, ["http://localhost:4200", "https://dash.example"]);
  for (const origin of ["*", "localhost:4200", "http://localhost:4200/", "http://a.example/x", "null", "http://a:80"]) {
    await refuses({ "rest.cors.allowed-origins": origin }, /origins such as/);
  }
});

test("a Host is that of this machine, the one listened on, and the one that clients use", async () => {
  const { hosts } = await settings({
    "rest.bind-address": "FE80::1",
    "rest.address": "Box.Local",
    "rest.auth.token": TOKEN,
  });
  deepEqual([...hosts], ["localhost", "127.0.0.1", "[::1]", "[fe80::1]", "box.local"]);
});

test("options of Flink's that the API does not have are refused with the reason", async () => {
  for (const key of ["rest.bind-port", "rest.flamegraph.enabled", "web.upload.dir", "security.ssl.rest.enabled"]) {
    const loading = loadConfiguration({
      commandLine: { entries: { [key]: "1" }, configPath: undefined },
      environment: {},
      readFile: () => Promise.resolve(null),
    });
    await rejects(loading, (error) => error instanceof UsageError && error.message.includes(`"${key}"`));
  }
});
