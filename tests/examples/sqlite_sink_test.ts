import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sqliteSink } from "../../examples/sqlite_sink.ts";
import { sinkContract } from "../contracts/sink.ts";

interface Report {
  readonly airport: string;
  readonly late: number;
}

function visibleRows(path: string): Report[] {
  const database = new DatabaseSync(path);
  try {
    const rows = database.prepare("SELECT airport, late FROM delays ORDER BY rowid").all();
    return rows.map(({ airport, late }) => ({ airport: String(airport), late: Number(late) }));
  } finally {
    database.close();
  }
}

sinkContract("sqliteSink()", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-sqlite-"));
  const path = join(folder, "delays.db");
  return {
    sink: sqliteSink<Report>(path, {
      table: "delays",
      columns: ["airport", "late"],
      row: ({ airport, late }) => [airport, late],
    }),
    record: (index) => ({ airport: `Ä${index}`, late: index }),
    visible: () => visibleRows(path),
    dispose: () => rmSync(folder, { recursive: true }),
  };
});
