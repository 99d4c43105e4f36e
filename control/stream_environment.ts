/**
 * The door for users: reads arguments and configuration, collects the pipeline,
 * runs it, and looks after the terminal and the exit code.
 *
 * Called by: pipeline scripts, through `mod.ts`.
 * Calls: runtime/job.ts, control/.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { CHANGELOG_ENABLED } from "../backends/changelog/options.ts";
import { LSM_OPTIONS_FACTORY } from "../backends/lsm/options.ts";
import type { LsmOptionsFactory } from "../backends/lsm/options_factory.ts";
import type { StateBackendFactory } from "../core/backend.ts";
import { CHECKPOINT_OPTIONS } from "../checkpoint/options.ts";
import { Configuration } from "../core/config.ts";
import { isExportReference } from "../core/config_option.ts";
import { Job } from "../runtime/job.ts";
import { largestParallelism } from "../runtime/job_graph.ts";
import type { JobPorts } from "../runtime/job_ports.ts";
import { type JobSettings, jobSettings } from "../runtime/job_settings.ts";
import type { JobResult } from "../runtime/job_progress.ts";
import { STATE_BACKEND } from "../runtime/options.ts";
import { Pipeline } from "../runtime/pipeline.ts";
import type { RestartSettings } from "../runtime/restart_strategy.ts";
import { systemClock, systemRandom } from "../runtime/system_clock.ts";
import { systemFileSystem } from "../runtime/system_file_system.ts";
import { systemJobLock } from "../runtime/system_job_lock.ts";
import {
  checkChosenPlaces,
  type CheckpointStorageChoice,
  fileSystemStorage,
  isBackendChoice,
  type StateBackendChoice,
} from "./backend_choice.ts";
import { answerCheckRequest } from "./check_request.ts";
import { type CommandLine, readCommandLine } from "./command_line.ts";
import { loadConfiguration, type LoadedConfiguration, skippedText } from "./config_sources.ts";
import type { HttpPlace } from "./http.ts";
import { REST_PORT } from "./http/options.ts";
import { showLog } from "./log_display.ts";
import {
  exitProcess,
  onInterrupt,
  outputIsTerminal,
  processEnvironment,
  processScreen,
  readConfigurationFileWith,
  setExitCode,
} from "./process_surroundings.ts";
import { commandLineOfProcess, configurationOfProcess } from "./process_start.ts";
import type { ScriptArguments, ScriptOptions } from "./script_options.ts";
import { watchJob } from "./terminal.ts";
import { markJobFailure, markJobStarted, tellUncaughtFailures } from "./uncaught_failures.ts";
import type { OwnBackend } from "./own_backend.ts";
import { type BackendPorts, createStateBackendFactory } from "./state_backends.ts";
import { asUsage, asUsageLater } from "./usage_error.ts";

const log = getLogger(["weir", "control"]);

/** The ports of a job, before it is known which backend it has. */
type OuterPorts = Omit<JobPorts, "backendFactory"> & Partial<Pick<JobPorts, "backendFactory">>;

/** What an environment is made with. */
export interface EnvironmentOptions<S extends ScriptOptions> {
  /** The script's own flags, by name; `env.args` has their values. */
  readonly args?: S;
  /** Options set in code, by key; they win over command line, environment and file. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /**
   * Where keyed state lives; wins over `state.backend.type`. `heapBackend()`, `lsmBackend(…)`, `lmdbBackend(…)`, or one of
   * your own.
   */
  readonly stateBackend?: StateBackendChoice | StateBackendFactory;
  /**
   * Where checkpoints are kept; wins over `execution.checkpointing.storage` and `execution.checkpointing.dir`.
   * `memoryStorage(…)`, `fileSystemStorage(…)`, or the folder alone.
   */
  readonly checkpointStorage?: CheckpointStorageChoice | string;
  /** Wins over `restart-strategy.*`. */
  readonly restart?: RestartSettings;
  /** Arguments instead of the process's. An empty array: none. */
  readonly argv?: readonly string[];
  /** Clock, randomness, files and lock instead of the real ones, for tests. */
  readonly ports?: Partial<JobPorts>;
}

/**
 * Where a pipeline begins and is run.
 *
 * Configuration comes from code, `-Dkey=value`, environment variables and `weir.yaml`, in this order of precedence.
 *
 * @example
 * ```ts
 * import { collectSink, fromIterable, StreamEnvironment } from "../mod.ts";
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * const out = collectSink<string>();
 * env.fromSource("words", fromIterable(["a", "b"])).sinkTo("out", out);
 * await env.executeAsync("copy").then((job) => job.result);
 * ```
 */
export class StreamEnvironment<S extends ScriptOptions = Record<never, never>> extends Pipeline {
  readonly #commandLine: CommandLine<S>;
  readonly #options: EnvironmentOptions<S>;
  /** Undefined: as the configuration says. */
  #changelog: boolean | undefined;

  private constructor(options: EnvironmentOptions<S>, commandLine: CommandLine<S>) {
    super();
    this.#options = options;
    this.#commandLine = commandLine;
  }

  /**
   * Reads the command line. `--help` prints what the script accepts and ends the process;
   * wrong usage ends it with code 2, unless `argv` was given: then it throws.
   *
   * @throws {UsageError} For arguments that are not understood, if `argv` was given.
   * @throws {TypeError} If the state backend or the checkpoint storage is none.
   */
  static create<S extends ScriptOptions = Record<never, never>>(
    options: EnvironmentOptions<S> = {},
  ): StreamEnvironment<S> {
    // Without `args`, S is the record without members.
    const scriptOptions = options.args ?? {} as S;
    checkChosenPlaces(options);
    const { argv } = options;
    if (argv !== undefined) return new StreamEnvironment(options, readCommandLine(argv, scriptOptions));
    const commandLine = commandLineOfProcess(scriptOptions);
    tellUncaughtFailures(commandLine.stack);
    return new StreamEnvironment(options, commandLine);
  }

  /** Values of the script's own flags. */
  get args(): ScriptArguments<S> {
    return this.#commandLine.scriptArgs;
  }

  /**
   * Turns the changelog on or off for what is executed afterwards; wins over `state.changelog.enabled`. May differ from
   * what it was when the checkpoint was taken that the job goes on from.
   *
   * @example
   * ```ts
   * import { StreamEnvironment } from "../mod.ts";
   *
   * const env = StreamEnvironment.create({ argv: [] }).enableChangelog();
   * ```
   */
  enableChangelog(enabled = true): this {
    this.#changelog = enabled;
    return this;
  }

  /**
   * Runs the pipeline to its end and shows how it goes on standard error. Sets the exit code:
   * 0 finished or stopped with a savepoint, 1 failed, 2 wrong usage, 130 interrupted.
   *
   * A failure that the script does not catch ends the process with its message and the lines of the script it came
   * from; with `--stack`, with everything. Options that do not exist end the process, caught or not.
   *
   * @throws {UsageError} If the pipeline cannot run with this configuration.
   * @throws {StreamError} If the job failed.
   */
  async execute(jobName: string): Promise<JobResult> {
    const screen = processScreen();
    const ports = this.#ports();
    tellUncaughtFailures(this.#commandLine.stack);
    const loaded = await configurationOfProcess(this.#configurationSources(ports));
    // Before the start, which has things to say.
    const restoreLog = await showLog(screen);
    try {
      const job = await this.#start(jobName, ports, loaded);
      markJobStarted();
      job.result.catch(markJobFailure);
      setExitCode(
        await watchJob(job, {
          clock: ports.clock,
          screen,
          outputIsTerminal: outputIsTerminal(),
          onInterrupt,
          exit: exitProcess,
        }),
      );
      return await job.result;
    } finally {
      await restoreLog();
    }
  }

  /**
   * Starts the pipeline and returns at once. Nothing is shown, no signal is handled.
   *
   * @throws {UsageError} If the configuration cannot be used, or the pipeline cannot run with it.
   */
  async executeAsync(jobName: string): Promise<Job> {
    const ports = this.#ports();
    const loaded = await loadConfiguration({
      ...this.#configurationSources(ports),
      environment: processEnvironment(),
      readFile: readConfigurationFileWith((path) => ports.fileSystem.readFile(path)),
    });
    return await this.#start(jobName, ports, loaded);
  }

  async #start(jobName: string, ports: OuterPorts, loaded: LoadedConfiguration): Promise<Job> {
    const skippedPlaces = skippedText(loaded.skipped);
    if (skippedPlaces !== null) log.info("{skippedPlaces}", { skippedPlaces });
    const logged = this.#changelog === undefined
      ? loaded.configuration
      : loaded.configuration.with({ [CHANGELOG_ENABLED.key]: this.#changelog }, "enableChangelog()");
    const stored = this.#withStorage(logged);
    const chosen = ports.backendFactory ?? this.#options.stateBackend;
    const backend = chosen ?? (await (loaded.ownBackend && asUsageLater(loaded.ownBackend.make(stored))));
    const isChoice = backend !== undefined && isBackendChoice(backend);
    const configuration = isChoice ? stored.with(backend.entries, backend.origin) : stored;
    const own = isChoice ? undefined : backend;
    const settings = asUsage(() => {
      const read = jobSettings(jobName, configuration, own?.name);
      return { ...read, restart: this.#options.restart ?? read.restart };
    });
    await asUsageLater(answerCheckRequest(this.graph, settings, ports, this.#commandLine.check));
    const place = configuration.has(REST_PORT) ? await openApi(configuration, settings.jobId, ports) : null;
    let job: Job | null = null;
    try {
      const lsmOptionsFactory = (isChoice ? backend.lsmOptionsFactory : undefined) ?? loaded.lsmOptionsFactory;
      job = await this.#startWith(settings, configuration, { ...ports, lsmOptionsFactory }, own);
    } finally {
      if (job === null) place?.giveBack();
    }
    place?.show(job);
    return job;
  }

  #withStorage(configuration: Configuration): Configuration {
    const { checkpointStorage: storage } = this.#options;
    if (storage === undefined) return configuration;
    const { entries, origin } = typeof storage === "string" ? fileSystemStorage(storage) : storage;
    asUsage(() => Configuration.of(entries, origin).checkKnown(CHECKPOINT_OPTIONS));
    return configuration.with(entries, origin);
  }

  async #startWith(
    settings: JobSettings,
    configuration: Configuration,
    ports: OuterPorts & Pick<BackendPorts, "lsmOptionsFactory">,
    own: StateBackendFactory | undefined,
  ): Promise<Job> {
    const slots = () => largestParallelism(this.graph, settings);
    const factory = own ?? await asUsageLater(createStateBackendFactory(configuration, { ...ports, slots }));
    const backendFactory = await withChangelog(factory, settings);
    try {
      return asUsage(() => Job.start(this.graph, settings, { ...ports, backendFactory }, configuration.notices));
    } catch (error) {
      await backendFactory.close?.();
      throw error;
    }
  }

  #configurationSources(ports: OuterPorts): Parameters<typeof configurationOfProcess>[0] {
    return {
      commandLine: this.#commandLine,
      code: this.#options.config ?? {},
      readFile: (path) => ports.fileSystem.readFile(path),
      findLsmFactory: (configuration) => this.#findLsmFactory(configuration, ports),
      findBackend: (configuration) => findOwnBackend(configuration, ports),
    };
  }

  async #findLsmFactory(configuration: Configuration, ports: OuterPorts): Promise<LsmOptionsFactory | undefined> {
    const { stateBackend } = this.#options;
    const chosen = stateBackend !== undefined && isBackendChoice(stateBackend) ? stateBackend : undefined;
    if (chosen?.lsmOptionsFactory !== undefined) return chosen.lsmOptionsFactory;
    if (!configuration.has(LSM_OPTIONS_FACTORY)) return undefined;
    const { loadOptionsFactory } = await import("./own_options_factory.ts");
    return await asUsageLater(loadOptionsFactory(configuration, ports));
  }

  #ports(): OuterPorts {
    return {
      clock: systemClock,
      random: systemRandom,
      fileSystem: systemFileSystem,
      jobLock: systemJobLock,
      ...this.#options.ports,
    };
  }
}

/**
 * The backend of the user's own that the configuration names, whatever wins over it: its options exist then. Undefined
 * when it names one of Weir's, or nothing that is one: the check of the configuration tells.
 */
async function findOwnBackend(configuration: Configuration, ports: OuterPorts): Promise<OwnBackend | undefined> {
  const reference = configuration.rawOf(STATE_BACKEND);
  if (typeof reference !== "string" || !isExportReference(reference)) return undefined;
  const { loadOwnBackend } = await import("./own_backend.ts");
  return await asUsageLater(loadOwnBackend(reference.trim(), ports));
}

/** Without checkpoints of a job's own nobody would read a log. */
async function withChangelog(
  factory: StateBackendFactory,
  { changelog, checkpointing }: JobSettings,
): Promise<StateBackendFactory> {
  if (changelog === null || checkpointing === null) return factory;
  const { changelogFactory } = await import("../backends/changelog/changelog_factory.ts");
  return changelogFactory(factory, changelog);
}

/** Makes room for a job in the HTTP API, which is loaded here because few jobs have one. */
async function openApi(configuration: Configuration, jobId: string, ports: OuterPorts): Promise<HttpPlace> {
  const { openHttpApi } = await import("./http.ts");
  return await asUsageLater(openHttpApi({ configuration, jobId, ports }));
}
