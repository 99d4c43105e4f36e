/**
 * The table of commands: usage, help and documentation are written from it.
 *
 * Called by: control/cli/run_cli.ts, docs/command_line.md through its test.
 * Calls: the commands, by dynamic import.
 *
 * @module
 */
import type { Command, CommandFlag } from "./command.ts";

const JSON_FLAG: CommandFlag = { name: "json", description: "one JSON document on standard output" };

const SERVER_FLAGS: readonly CommandFlag[] = [
  { name: "url", value: "URL", description: "the job's HTTP API; WEIR_REST_URL, else http://127.0.0.1:8081" },
  { name: "token", value: "TOKEN", description: "rest.auth.token of the job; WEIR_REST_AUTH_TOKEN" },
  { name: "token-file", value: "FILE", description: "file that holds the token" },
  { name: "timeout", value: "DURATION", description: "longest time to wait for the result; unlimited when absent" },
  JSON_FLAG,
];

const DETACHED: CommandFlag = { name: "detached", description: "do not wait: print the id of the request" };
const FORMAT: CommandFlag = {
  name: "format",
  value: "FORMAT",
  choices: ["canonical", "native"],
  description: "canonical (default) moves between backends, native is in the backend's own files",
};

const NET = "--allow-net=127.0.0.1:8081 --allow-env";
const JOB = "A job is named by its id, the beginning of its id, or its name; the only one may be left out.";

/** Every command, in the order of the usage. */
export const COMMANDS: readonly Command[] = [
  {
    name: "list",
    positionals: "",
    counts: [0, 0],
    flags: SERVER_FLAGS,
    summary: "the jobs of a process, running and ended",
    details: ["Prints a table on a terminal, else a line for each job: id, state, start, name, between tabs."],
    permissions: NET,
    reach: "job",
    load: async () => (await import("./job_views.ts")).listJobs,
  },
  {
    name: "status",
    positionals: "[job]",
    counts: [0, 1],
    flags: SERVER_FLAGS,
    summary: "a job, its vertices, its checkpoints and its newest failure",
    details: [JOB],
    permissions: NET,
    reach: "job",
    load: async () => (await import("./job_views.ts")).showStatus,
  },
  {
    name: "memory",
    positionals: "[job]",
    counts: [0, 1],
    flags: SERVER_FLAGS,
    summary: "who holds how many bytes of the memory for state on disk",
    details: [
      "Prints slots and operators on a terminal, else a line for each holder: slot, holder, bytes, between tabs.",
      JOB,
    ],
    permissions: NET,
    reach: "job",
    load: async () => (await import("./memory_view.ts")).showMemory,
  },
  {
    name: "savepoint",
    positionals: "[job] [directory]",
    counts: [0, 2],
    flags: [FORMAT, DETACHED, ...SERVER_FLAGS],
    summary: "take a savepoint while the job goes on, print its path",
    details: [
      "Without a directory it goes to execution.checkpointing.savepoint-dir. A single argument with a slash is a directory.",
      JOB,
    ],
    permissions: NET,
    reach: "job",
    load: async () => (await import("./job_operations.ts")).takeSavepoint,
  },
  {
    name: "checkpoint",
    positionals: "[job]",
    counts: [0, 1],
    flags: [
      { name: "full", description: "one that stands alone" },
      { name: "incremental", description: "one that builds on the last, if the job keeps track of changes" },
      DETACHED,
      ...SERVER_FLAGS,
    ],
    summary: "take a checkpoint now, print its path",
    details: [JOB],
    permissions: NET,
    reach: "job",
    load: async () => (await import("./job_operations.ts")).takeCheckpoint,
  },
  {
    name: "stop",
    positionals: "[job]",
    counts: [0, 1],
    flags: [
      { name: "drain", description: "end the inputs first: every event-time timer fires" },
      { name: "directory", short: "d", value: "DIR", description: "where the savepoint goes" },
      FORMAT,
      DETACHED,
      ...SERVER_FLAGS,
    ],
    summary: "stop a job with a savepoint, print its path",
    details: [JOB],
    permissions: NET,
    reach: "job",
    load: async () => (await import("./job_operations.ts")).stopJob,
  },
  {
    name: "cancel",
    positionals: "[job]",
    counts: [0, 1],
    flags: [DETACHED, ...SERVER_FLAGS],
    summary: "end a job at once, without a savepoint",
    details: [JOB],
    permissions: NET,
    reach: "job",
    load: async () => (await import("./job_operations.ts")).cancelJob,
  },
  {
    name: "dispose",
    positionals: "<path>",
    counts: [1, 1],
    flags: SERVER_FLAGS,
    summary: "delete a savepoint",
    details: ["The path is one of the machine on which the job runs, below a folder that the job is configured with."],
    permissions: NET,
    reach: "job",
    load: async () => (await import("./job_operations.ts")).disposeSavepoint,
  },
  {
    name: "inspect",
    positionals: "<path>",
    counts: [1, 1],
    flags: [{ name: "quick", description: "read no rows: neither keys nor entries are counted" }, JSON_FLAG],
    summary: "what a checkpoint or savepoint holds",
    details: ["The path is its folder or the _metadata in it. Every row is read and counted, unless --quick is given."],
    permissions: "--allow-read=<path> (of a checkpoint: the job's folder, which holds shared/)",
    reach: "files",
    load: async () => (await import("./inspect.ts")).inspect,
  },
  {
    name: "dump",
    positionals: "<path>",
    counts: [1, 1],
    flags: [
      {
        name: "operator",
        short: "o",
        value: "NAME",
        description: "name or id; the only one with state may be left out",
      },
      { name: "state", short: "s", value: "NAME", description: "state, list or timers; the only one may be left out" },
      { name: "key", short: "k", value: "JSON", description: "of this key alone" },
      { name: "namespace", value: "JSON", description: "of this namespace alone" },
    ],
    summary: "the content of a state as JSON lines, in the order of key groups",
    details: [
      'A line is {"key", "namespace"?, "value"}, for a list with "index", for a map with "mapKey", for a timer with',
      '"timestampMs" instead of the value. What JSON cannot say is an object with one property: {"$bigint": "12"},',
      '{"$bytes": "<base64>"}, {"$number": "NaN"}, {"$date": ms}, {"$map": [[k, v]]}, {"$set": [v]}, {"$undefined": true};',
      'a value of a serializer that is not Weir\'s own is {"$raw": "<base64>", "serializer": "<id>"}.',
    ],
    permissions: "--allow-read=<path>",
    reach: "files",
    load: async () => (await import("./dump.ts")).dump,
  },
  {
    name: "check",
    positionals: "<path> <script>",
    counts: [2, 2],
    takesRest: true,
    flags: [
      { name: "allow", value: "PERMISSION", multiple: true, description: "of Deno, for the script: --allow net=host" },
      JSON_FLAG,
    ],
    summary: "whether a script would restore from a checkpoint or savepoint",
    details: [
      "Runs the script up to execute(), which says what states it declares instead of starting the job; arguments of the",
      "script follow --. On Deno it may read files and variables, and what --allow adds. Exit code 0: it would, 1: not.",
    ],
    permissions: "--allow-run --allow-read=<script> --allow-env",
    reach: "files",
    load: async () => (await import("./check.ts")).check,
  },
  {
    name: "gc",
    positionals: "<checkpoints dir>",
    counts: [1, 1],
    flags: [
      { name: "dry-run", description: "only list; this is what happens without --force, too" },
      { name: "force", description: "remove what is listed" },
      { name: "damaged", description: "also damaged checkpoints that a recovery has set aside" },
      { name: "older-than", value: "DURATION", description: "only what has not changed for so long: 7d" },
      JSON_FLAG,
    ],
    summary: "what nothing refers to in a folder of checkpoints",
    details: [
      "The folder is execution.checkpointing.dir or that of one job. Jobs that a process works on are left alone.",
    ],
    permissions: "--allow-read=<dir> --allow-write=<dir>",
    reach: "files",
    load: async () => (await import("./gc.ts")).gc,
  },
];
