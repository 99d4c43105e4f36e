import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { configuredLsm } from "../../backends/lsm/configured_lsm.ts";
import type { LsmOptionsFactory } from "../../backends/lsm/options_factory.ts";
import { loadConfiguration, type LoadedConfiguration } from "../../control/config_sources.ts";
import { KNOWN_OPTIONS } from "../../control/known_options.ts";
import { loadOptionsFactory } from "../../control/own_options_factory.ts";
import { UsageError } from "../../control/usage_error.ts";
import { intOption } from "../../core/config_option.ts";
import { collectSink, fromIterable, KeyedActor, lsmBackend, StreamEnvironment, valueState } from "../../mod.ts";
import { systemFileSystem } from "../../runtime/system_file_system.ts";

const KEY = "state.backend.lsm.options-factory";
const OWN = "my.custom.lsm.block.restart-interval";
const CONFIG_OPTION = new URL("../../core/config_option.ts", import.meta.url).href;
const SOURCE = `
import { intOption } from "${CONFIG_OPTION}";
const RESTARTS = intOption("${OWN}", { default: 16, min: 1, description: "Rows." });
export class Mine {
  options = [RESTARTS];
  restartInterval = 0;
  configure(configuration) { this.restartInterval = configuration.get(RESTARTS); }
  columnOptions() { return { restartInterval: this.restartInterval }; }
}
export const object = new Mine();
export const make = () => new Mine();
export async function later() { return new Mine(); }
export function fails() { throw new Error("no luck"); }
export const number = 7;
export const nothing = () => undefined;
export const empty = {};
`;

/** Runs `use` with a file of factories. */
async function withFactories(use: (path: string) => Promise<void>, source = SOURCE): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir factories "));
  try {
    const path = join(folder, "factories.ts");
    await writeFile(path, source);
    await use(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface Sources {
  readonly code?: Readonly<Record<string, unknown>>;
  readonly file?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

function load({ code = {}, file = "", environment = {} }: Sources): Promise<LoadedConfiguration> {
  return loadConfiguration({
    commandLine: { entries: {}, configPath: undefined },
    code,
    environment,
    readFile: () => Promise.resolve(new TextEncoder().encode(file)),
    findLsmFactory: (configuration) => loadOptionsFactory(configuration, { fileSystem: systemFileSystem }),
  });
}

/** What the factory that is found makes of the restart interval of a state. */
function restartsOf({ configuration, lsmOptionsFactory: factory }: LoadedConfiguration): number {
  const { column, columnOf } = configuredLsm(configuration, { factory });
  return (columnOf?.("counts") ?? column).restartInterval;
}

test("options-factory names an exported class, object or function, also by its old name, and has options of its own", async () => {
  await withFactories(async (path) => {
    for (const name of ["Mine", "object", "make", "later"]) {
      equal(restartsOf(await load({ code: { [KEY]: `${path}#${name}`, [OWN]: "4" } })), 4, name);
    }
    equal(restartsOf(await load({ code: { "state.backend.rocksdb.options-factory": `${path}#Mine` } })), 16);
    equal(restartsOf(await load({ file: `state.backend.lsm.options-factory: "${path}#Mine"\n${OWN}: 8` })), 8);
    const variables = { WEIR_STATE_BACKEND_LSM_OPTIONS_FACTORY: `${path}#Mine` };
    equal(restartsOf(await load({ environment: { ...variables, WEIR_MY_CUSTOM_LSM_BLOCK_RESTART_INTERVAL: "2" } })), 2);
  });
  equal((await load({})).lsmOptionsFactory, undefined);
  const flinksOwn = "org.apache.flink.contrib.streaming.state.DefaultConfigurableOptionsFactory";
  equal(
    (await load({ code: { [KEY]: flinksOwn } })).lsmOptionsFactory,
    undefined,
    "it applies the options, as Weir does",
  );
});

test("options of a factory are checked as all others are, and do not exist without it", async () => {
  await withFactories(async (path) => {
    const factory = { [KEY]: `${path}#Mine` };
    await rejects(load({ code: { ...factory, [OWN]: "many" } }), /my\.custom\..*must be a whole number of at least 1/);
    await rejects(load({ code: { ...factory, "my.custom.lsm.block.restart-intervall": 4 } }), (error) => {
      match(
        (error as Error).message,
        /there is no such option; did you mean "my\.custom\.lsm\.block\.restart-interval"/,
      );
      return error instanceof UsageError;
    });
  });
  await rejects(load({ code: { [OWN]: "4" } }), /there is no such option/);
  await rejects(load({ environment: { WEIR_MY_CUSTOM_LSM_BLOCK_RESTART_INTERVAL: "2" } }), /no option has that name/);
});

test("what is wrong with a configured factory is told: file, export, shape, failure, a class of Java", async () => {
  const code = (reference: string) => load({ code: { [KEY]: reference } });
  await rejects(code("com.example.MyOptionsFactory"), /it names a class of Java, must be "\.\/path\.ts#name"/);
  await rejects(code("./no/such/file.ts#Mine"), /there is no file ".*no\/such\/file\.ts"/);
  await withFactories(async (path) => {
    await rejects(code(`${path}#mine`), /the file has no export "mine".*did you mean #Mine\?/);
    await rejects(
      code(`${path}#fails`),
      /factories\.ts#fails" for option "state\.backend\.lsm\.options-factory": no luck/,
    );
    await rejects(code(`${path}#number`), /it is of type number, must be an object with columnOptions/);
    await rejects(code(`${path}#nothing`), /it is of type undefined/);
    await rejects(code(`${path}#empty`), /it has none of the methods/);
  });
  await withFactories(
    (path) => rejects(code(`${path}#Mine`), /the file fails when it is loaded: broken/),
    'throw new Error("broken");',
  );
});

test("a factory may not declare an option that exists", async () => {
  const taken = (key: string): LsmOptionsFactory => ({
    options: [intOption(key, { default: 1, description: "" })],
    columnOptions: () => ({}),
  });
  for (const key of ["parallelism.default", "state.checkpoints.dir"]) {
    await rejects(
      loadConfiguration({
        commandLine: { entries: {}, configPath: undefined },
        environment: {},
        readFile: () => Promise.resolve(new Uint8Array(0)),
        findLsmFactory: () => Promise.resolve(taken(key)),
      }),
      new RegExp(`declares option "${key.replaceAll(".", "\\.")}", which exists already`),
    );
  }
  ok(KNOWN_OPTIONS.some(({ oldNames }) => oldNames.includes("state.checkpoints.dir")));
});

class Keeper extends KeyedActor<number, number, number> {
  readonly #last = this.state(valueState<number>("last"));
  readonly #sum = this.state(valueState<number>("sum"));
  override onMessage(value: number): void {
    this.#last.update(value);
    this.#sum.update((this.#sum.value() ?? 0) + value);
    this.emit(value);
  }
}

test("a factory in code wins over a configured one; a job asks it for each of its states", async () => {
  const asked: string[] = [];
  const restarts = intOption(OWN, { default: 16, min: 1, description: "Rows." });
  let interval = 0;
  const optionsFactory: LsmOptionsFactory = {
    options: [restarts],
    configure(configuration) {
      interval = configuration.get(restarts);
    },
    columnOptions(_current, stateName) {
      asked.push(stateName);
      return { restartInterval: interval };
    },
  };
  const out = collectSink<number>();
  const env = StreamEnvironment.create({
    argv: [],
    config: { [OWN]: 3, [KEY]: "./no/such/file.ts" },
    stateBackend: lsmBackend({ optionsFactory }),
  });
  env.fromSource("numbers", fromIterable([1, 2, 3])).keyBy((n) => n).actor("keeper", () => new Keeper()).sinkTo(
    "out",
    out,
  );
  await (await env.executeAsync("factory")).result;
  equal(interval, 3);
  deepEqual(out.values, [1, 2, 3]);
  ok(["last", "sum"].every((name) => asked.includes(name)), `${asked}`);
  equal(new Set(asked).size, asked.length, "each state once");
});

test("a factory that fails fails the job before it starts, with its question", async () => {
  const optionsFactory: LsmOptionsFactory = {
    storeOptions: () => {
      throw new Error("no luck");
    },
  };
  const env = StreamEnvironment.create({ argv: [], stateBackend: lsmBackend({ optionsFactory }) });
  env.fromSource("numbers", fromIterable([1])).keyBy((n) => n).actor("keeper", () => new Keeper())
    .sinkTo("out", collectSink<number>());
  await rejects(env.executeAsync("failing factory"), {
    name: "UsageError",
    message: /storeOptions\(\) fails: no luck/,
  });
});
