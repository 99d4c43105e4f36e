/**
 * A sink of one's own: exactly-once into a table of a SQLite database.
 *
 * A transaction is the rows between two barriers. They travel in the checkpoint, so a database that is not there when
 * the checkpoint is taken does not stop it. `commit` inserts them together with the note that they were inserted, in
 * one transaction of the database: doing it again does nothing, and a crash leaves both or neither.
 *
 * Called by: pipelines, as `stream.sinkTo("delays", sqliteSink("delays.db", { … }))`.
 * Calls: node:sqlite.
 *
 * @module
 */
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { type Sink, type SinkContext, type SinkStart, type SinkWriter, StreamError } from "../mod.ts";

/** Which table the records go to, and how. */
export interface SqliteSinkOptions<T> {
  /** The table; is made when it is not there, with two columns more: `weir_checkpoint` and `weir_subtask`. */
  readonly table: string;
  /** Its columns. */
  readonly columns: readonly string[];
  /** Values of a record, one for each column. */
  readonly row: (value: T) => readonly (string | number | bigint | null)[];
}

/** The rows of one subtask between two barriers: what a checkpoint keeps. */
export interface SqliteTransaction {
  /** With the subtask, names the transaction for ever. */
  readonly checkpointId: number;
  /** The subtask that has written it; another may commit it after a restore. */
  readonly subtask: number;
  /** Values, in order of the columns. */
  readonly rows: readonly (readonly (string | number | bigint | null)[])[];
}

class SqliteWriter<T> implements SinkWriter<T, SqliteTransaction> {
  readonly #path: string;
  readonly #options: SqliteSinkOptions<T>;
  readonly #context: SinkContext;
  readonly #table: string;
  #database: DatabaseSync | null = null;
  #rows: (readonly (string | number | bigint | null)[])[] = [];

  constructor(path: string, options: SqliteSinkOptions<T>, context: SinkContext) {
    this.#path = path;
    this.#options = options;
    this.#context = context;
    this.#table = quoted(options.table);
  }

  recover(start: SinkStart): void {
    const database = this.#opened();
    const { subtaskIndex, parallelism } = this.#context;
    if (start.kind === "restore") {
      // A checkpoint in the past was chosen: what was committed after it comes again.
      this.#atomically(() => {
        for (const table of [this.#table, this.#commits]) {
          database.prepare(`DELETE FROM ${table} WHERE weir_checkpoint > ? AND weir_subtask % ? = ?`)
            .run(start.checkpointId, parallelism, subtaskIndex);
        }
      });
      return;
    }
    const found = database.prepare(`SELECT 1 FROM ${this.#commits} LIMIT 1`).get();
    if (found === undefined) return;
    throw new StreamError(
      "invalid",
      `Cannot start sink "${this.#context.name}" afresh: table "${this.#options.table}" of "${this.#path}" holds rows ` +
        "of an earlier run, must be empty; drop the table, or, where checkpoints are on, go on with --from latest",
    );
  }

  write(value: T): void {
    this.#rows.push(this.#options.row(value));
  }

  prepareCommit(checkpointId: number): () => Promise<SqliteTransaction | undefined> {
    const rows = this.#rows;
    this.#rows = [];
    const subtask = this.#context.subtaskIndex;
    return () => Promise.resolve(rows.length === 0 ? undefined : { checkpointId, subtask, rows });
  }

  commit({ checkpointId, subtask, rows }: SqliteTransaction): void {
    const database = this.#opened();
    const marks = [...this.#options.columns, "weir_checkpoint", "weir_subtask"].map(() => "?").join(", ");
    this.#atomically(() => {
      const noted = database.prepare(`INSERT OR IGNORE INTO ${this.#commits} VALUES (?, ?)`).run(checkpointId, subtask);
      if (Number(noted.changes) === 0) return; // Committed before.
      const insert = database.prepare(`INSERT INTO ${this.#table} VALUES (${marks})`);
      for (const row of rows) insert.run(...row as SQLInputValue[], checkpointId, subtask); // The same types, read-only.
    });
  }

  close(): void {
    this.#database?.close();
    this.#database = null;
  }

  /** Table with one row for each transaction that was committed. */
  get #commits(): string {
    return quoted(`${this.#options.table}_weir_commits`);
  }

  #opened(): DatabaseSync {
    if (this.#database !== null) return this.#database;
    const database = new DatabaseSync(this.#path);
    const columns = this.#options.columns.map(quoted).join(", ");
    database.exec(`
      PRAGMA busy_timeout = 10000;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS ${this.#table} (${columns}, weir_checkpoint INTEGER, weir_subtask INTEGER);
      CREATE TABLE IF NOT EXISTS ${this.#commits} (weir_checkpoint INTEGER, weir_subtask INTEGER,
        PRIMARY KEY (weir_checkpoint, weir_subtask));`);
    this.#database = database;
    return database;
  }

  #atomically(change: () => void): void {
    const database = this.#opened();
    database.exec("BEGIN IMMEDIATE");
    try {
      change();
      database.exec("COMMIT");
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Inserts records into a table of a SQLite database, exactly once.
 *
 * @example
 * ```ts
 * import { sqliteSink } from "./sqlite_sink.ts";
 *
 * const sink = sqliteSink<{ airport: string; late: number }>("delays.db", {
 *   table: "delays",
 *   columns: ["airport", "late"],
 *   row: ({ airport, late }) => [airport, late],
 * });
 * if (sink.guarantee !== "exactly-once") throw new Error("rows and the note of them are one transaction");
 * ```
 */
export function sqliteSink<T>(path: string, options: SqliteSinkOptions<T>): Sink<T, SqliteTransaction> {
  return { guarantee: "exactly-once", open: (context) => new SqliteWriter(path, options, context) };
}
