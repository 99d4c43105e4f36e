import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import {
  type ConfigurationSources,
  environmentNameOf,
  flattenEntries,
  loadConfiguration,
  readEnvironment,
  skippedText,
} from "../../control/config_sources.ts";
import { KNOWN_OPTIONS, REFUSED_KEYS } from "../../control/known_options.ts";
import { UsageError } from "../../control/usage_error.ts";
import { CHECKPOINT_DIR, CHECKPOINT_INTERVAL, NUM_RETAINED_CHECKPOINTS } from "../../checkpoint/options.ts";
import {
  BUFFER_TIMEOUT,
  DEFAULT_PARALLELISM,
  EXPONENTIAL_DELAY_ATTEMPTS,
  JOB_ID,
  RECOVERY_PATH,
  RESTART_STRATEGY,
  STATE_BACKEND,
} from "../../runtime/options.ts";

type Given = Partial<Omit<ConfigurationSources, "readFile">> & { readonly files?: Readonly<Record<string, string>> };

function failure(name: string, code?: string): Error {
  return Object.assign(new Error(`${name} happened`), { name }, code === undefined ? {} : { code });
}

function sources({ files = {}, ...given }: Given = {}): ConfigurationSources {
  return {
    commandLine: { entries: {}, configPath: undefined },
    environment: {},
    readFile: (path) => {
      const text = files[path];
      return text === undefined ? Promise.reject(failure("Error", "ENOENT")) : Promise.resolve(encode(text));
    },
    ...given,
  };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function refused(given: Given | ConfigurationSources, pattern: RegExp): Promise<void> {
  await rejects(loadConfiguration("readFile" in given ? given : sources(given)), (error) => {
    ok(error instanceof UsageError, String(error));
    ok(pattern.test(error.message), error.message);
    return true;
  });
}

test("loadConfiguration lets code win over flags, these over the environment, that over the file, it over defaults [265]", async () => {
  const yaml = [
    "parallelism.default: 2",
    "execution:",
    "  buffer-timeout.interval: 2 s",
    "  checkpointing:",
    "    interval: 2 min",
    "    dir: from-file",
  ];
  const { configuration, skipped } = await loadConfiguration(sources({
    files: { "weir.yaml": yaml.join("\n") },
    environment: { WEIR_PARALLELISM_DEFAULT: "3", WEIR_EXECUTION_CHECKPOINTING_INTERVAL: "3 min", HOME: "/root" },
    commandLine: {
      entries: { "parallelism.default": "4", "execution.state-recovery.path": "latest" },
      configPath: undefined,
    },
    code: { "parallelism.default": 5 },
  }));
  equal(configuration.get(DEFAULT_PARALLELISM), 5);
  equal(configuration.get(RECOVERY_PATH), "latest");
  equal(configuration.get(CHECKPOINT_INTERVAL), 180_000);
  equal(configuration.get(BUFFER_TIMEOUT), 2_000);
  equal(configuration.get(CHECKPOINT_DIR), "from-file");
  equal(configuration.get(NUM_RETAINED_CHECKPOINTS), 2);
  equal(configuration.originOf(CHECKPOINT_DIR), 'file "weir.yaml"');
  deepEqual(skipped, []);
});

test("loadConfiguration reads scalars as they are written: a job id of digits keeps its zeros", async () => {
  const id = "00000000000000000000000000001234";
  const yaml = `pipeline.job-id: ${id}\nrestart-strategy: off\n# nothing else\nstate.backend:\n`;
  const { configuration } = await loadConfiguration(sources({ files: { "weir.yaml": yaml } }));
  equal(configuration.get(JOB_ID), id);
  equal(configuration.get(RESTART_STRATEGY), "none");
  equal(configuration.get(STATE_BACKEND), "hashmap");
  deepEqual(configuration.notices, [
    'Option "restart-strategy" (file "weir.yaml") has a new name: "restart-strategy.type"',
  ]);
});

test("loadConfiguration accepts a file of Flink 1.18", async () => {
  const yaml = [
    "state.backend: filesystem",
    "state.checkpoints.dir: /tmp/checkpoints",
    "state.checkpoints.num-retained: 3",
    "restart-strategy.exponential-delay.attempts-before-reset-backoff: infinite",
  ];
  const { configuration } = await loadConfiguration(sources({ files: { "weir.yaml": yaml.join("\n") } }));
  equal(configuration.get(STATE_BACKEND), "hashmap");
  equal(configuration.get(CHECKPOINT_DIR), "/tmp/checkpoints");
  equal(configuration.get(NUM_RETAINED_CHECKPOINTS), 3);
  equal(configuration.get(EXPONENTIAL_DELAY_ATTEMPTS), Infinity);
  equal(configuration.notices.length, 3);
});

test("loadConfiguration reads the file that --config names, and insists on it", async () => {
  const commandLine = { entries: {}, configPath: "my.yaml" };
  const files = { "my.yaml": "parallelism.default: 7", "weir.yaml": "parallelism.default: 1" };
  const { configuration } = await loadConfiguration(sources({ commandLine, files }));
  equal(configuration.get(DEFAULT_PARALLELISM), 7);
  await refused({ commandLine }, /configuration file "my\.yaml": there is no such file/);
});

test("loadConfiguration passes over what it may not read, unless it is named", async () => {
  const denied = { ...sources(), readFile: () => Promise.reject(failure("NotCapable")), environment: undefined };
  const { configuration, skipped } = await loadConfiguration(denied);
  equal(configuration.get(DEFAULT_PARALLELISM), 1);
  equal(
    skippedText(skipped),
    "Started without --allow-read=weir.yaml and --allow-env: weir.yaml and WEIR_… variables were not looked at",
  );
  await refused(
    { ...denied, commandLine: { entries: {}, configPath: "my.yaml" } },
    /"my\.yaml": the permission is missing; run with --allow-read=my\.yaml/,
  );
  const wrapped = () => Promise.reject(new Error("Cannot read", { cause: failure("NotCapable") }));
  equal((await loadConfiguration({ ...sources(), readFile: wrapped })).skipped.length, 1);
  const unasked = await loadConfiguration({ ...sources(), readFile: () => Promise.resolve(null) });
  equal(skippedText(unasked.skipped), "Started without --allow-read=weir.yaml: weir.yaml was not looked at");
  equal(skippedText([]), null);
});

test("loadConfiguration does not hide a file that is there and cannot be read", async () => {
  await refused({ ...sources(), readFile: () => Promise.reject(failure("Error", "EIO")) }, /Error happened/);
});

test("loadConfiguration names what is wrong with the file", async () => {
  await refused({ files: { "weir.yaml": "a: [1\nb: 2" } }, /Cannot read file "weir\.yaml": .*line/s);
  await refused({ files: { "weir.yaml": "parallelism.default: 1\nparallelism.default: 2" } }, /weir\.yaml/);
  await refused({ files: { "weir.yaml": "- a\n- b" } }, /it is not a map of options/);
  await refused({ files: { "weir.yaml": "paralelism.default: 2" } }, /from file "weir\.yaml".*"parallelism\.default"/);
  const twice = "parallelism.default: 2\nparallelism:\n  default: 3";
  await refused({ files: { "weir.yaml": twice } }, /"parallelism\.default" is there twice/);
});

test("loadConfiguration gives the reason for an option or a value that comes later", async () => {
  const wrong = (key: string, value: string) =>
    sources({ commandLine: { entries: { [key]: value }, configPath: undefined } });
  await refused(wrong("execution.checkpointing.unaligned.enabled", "true"), /unaligned checkpoints come in a later/);
  await refused(
    wrong("state.backend.rocksdb.thread.num", "4"),
    /"state\.backend\.rocksdb\.thread\.num" .*between records/,
  );
  await refused(wrong("state.backend.lsm.compaction.style", "FIFO"), /state would be lost/);
  await refused(wrong("rest.bind-port", "8081"), /set rest\.port/);
  await refused(wrong("state.backend.type", "forst"), /lsm keeps it on a local disk/);
  await refused(wrong("state.checkpoints.dir", "s3://bucket/x"), /object stores come in a later version/);
  await refused({ environment: { WEIR_REST_BIND_PORT: "1" } }, /WEIR_REST_BIND_PORT: set rest\.port/);
  await refused(wrong("pipeline.max-parallelism", "0"), /must be -1 \(derive it\) or in 1 \.\. 32768/);
});

test("readEnvironment reads known variables, refuses unknown ones of Weir, and leaves all others alone", () => {
  const environment = {
    WEIR_STATE_CHECKPOINTS_DIR: "x",
    WEIR_PIPELINE_NAME: "",
    WEIR_TEST_LONG: "1",
    PATH: "/bin",
    OTHER: undefined,
  };
  deepEqual(readEnvironment(environment, KNOWN_OPTIONS), { "state.checkpoints.dir": "x" });
  throws(() => readEnvironment({ WEIR_PARALELISM_DEFAULT: "4" }, KNOWN_OPTIONS), (error) => {
    ok(error instanceof UsageError && /did you mean WEIR_PARALLELISM_DEFAULT\?/.test(error.message), String(error));
    return true;
  });
});

test("each option has an environment variable of its own", () => {
  const names = KNOWN_OPTIONS.flatMap(({ key, oldNames }) => [key, ...oldNames]);
  equal(new Set(names).size, names.length);
  equal(new Set(names.map(environmentNameOf)).size, names.length);
});

test("variables of the command line are no options, and are not refused", () => {
  deepEqual(
    readEnvironment({ WEIR_REST_URL: "http://127.0.0.1:9", WEIR_CHECK_RESTORE: "/savepoint" }, KNOWN_OPTIONS),
    {},
  );
});

test("no known option is refused", () => {
  for (const name of KNOWN_OPTIONS.flatMap(({ key, oldNames }) => [key, ...oldNames])) {
    for (const { keyPattern } of REFUSED_KEYS) {
      // What a whole folder of keys is refused for does not hold for those in it that exist.
      if (["taskmanager.*", "rest.*", "web.*"].includes(keyPattern)) continue;
      const hit = keyPattern.endsWith("*") ? name.startsWith(keyPattern.slice(0, -1)) : name === keyPattern;
      ok(!hit, `${name} is refused by ${keyPattern}`);
    }
  }
});

test("every default is a value that its option accepts, also as it is written on the reference page", () => {
  for (const option of KNOWN_OPTIONS) {
    if (option.defaultValue === undefined) continue;
    deepEqual(option.parse(option.defaultValue), option.defaultValue, option.key);
    deepEqual(option.parse(option.format(option.defaultValue)), option.defaultValue, option.key);
  }
});

test("flattenEntries joins nested maps, keeps lists, and leaves out keys without a value", () => {
  deepEqual(flattenEntries({ a: { b: "1", "c.d": ["x", "y"] }, e: "", f: null }, "file"), {
    "a.b": "1",
    "a.c.d": ["x", "y"],
  });
  deepEqual(flattenEntries("", "file"), {});
});
