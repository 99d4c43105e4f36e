/**
 * Declares what a command of the command line is, and what it works with. Usage texts, argument reading and help are
 * written from these declarations.
 *
 * Called by: control/cli/.
 * Calls: nothing but types.
 *
 * @module
 */
import type { JobLock } from "../../checkpoint/job_lock.ts";
import type { Clock, Random } from "../../core/clock.ts";
import type { FileSystem } from "../../core/file_system.ts";
import type { Screen } from "../terminal.ts";

/** A flag of a command. */
export interface CommandFlag {
  /** Without its dashes. */
  readonly name: string;
  /** One letter, without its dash. */
  readonly short?: string;
  /** What its value is called in the usage; absent: it stands alone. */
  readonly value?: string;
  /** The only values it takes. */
  readonly choices?: readonly string[];
  /** Whether it may be given several times. */
  readonly multiple?: true;
  /** One line. */
  readonly description: string;
}

/** What was typed behind the name of a command. */
export interface CommandArguments {
  /** Those that are no flags. */
  readonly positionals: readonly string[];
  /** All behind `--`. */
  readonly rest: readonly string[];
  /** Value of a flag; undefined when it is absent. */
  text(name: string): string | undefined;
  /** Every value of a flag that may be repeated. */
  texts(name: string): readonly string[];
  /** Whether a flag was given. */
  has(name: string): boolean;
}

/** A process that runs a script. */
export interface ScriptRun {
  /** Path of the script. */
  readonly path: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** Variables besides those of this process. */
  readonly environment: Readonly<Record<string, string>>;
  /** Permissions of Deno that it gets, `read=out` for `--allow-read=out`; Bun has none. */
  readonly permissions: readonly string[];
}

/** How a script has ended. */
export interface ScriptEnd {
  /** Exit code; null after a signal. */
  readonly code: number | null;
  /** What it printed on standard output. */
  readonly output: string;
}

/** What is used of `fetch`. */
export type Fetch = (
  url: string,
  request: {
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly signal: AbortSignal;
  },
) => Promise<Response>;

/** The world as a command sees it. */
export interface CliSurroundings {
  /** Environment variables; empty when they may not be read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Writes to standard output; resolves when there is room for more. */
  readonly print: (text: string) => Promise<void>;
  /** Whether standard output is a terminal: tables for people, plain lines for programs. */
  readonly outputIsTerminal: boolean;
  /** Standard error. */
  readonly screen: Screen;
  readonly clock: Clock;
  readonly random: Random;
  readonly fileSystem: FileSystem;
  readonly jobLock: JobLock;
  readonly fetch: Fetch;
  /** Calls `listener` for each interrupt until the returned function is called. */
  readonly onInterrupt: (listener: () => void) => () => void;
  /** Runs a script in a process of its own; what it prints on standard error goes to that of this process. */
  readonly runScript: (run: ScriptRun) => Promise<ScriptEnd>;
}

/** Does the work. @returns The exit code. */
export type RunCommand = (args: CommandArguments, surroundings: CliSurroundings) => Promise<number>;

/** One command. */
export interface Command {
  readonly name: string;
  /** What follows the name in the usage: `<job> [directory]`. */
  readonly positionals: string;
  /** Fewest and most positionals. */
  readonly counts: readonly [fewest: number, most: number];
  /** Whether something may follow `--`. */
  readonly takesRest?: true;
  readonly flags: readonly CommandFlag[];
  /** One line. */
  readonly summary: string;
  /** Further lines of its help. */
  readonly details: readonly string[];
  /** Flags of Deno that it needs, as narrow as they can be. */
  readonly permissions: string;
  /** Whether it talks to a job or reads files. */
  readonly reach: "job" | "files";
  /** Loads the work: a command that is not run is not loaded. */
  readonly load: () => Promise<RunCommand>;
}
