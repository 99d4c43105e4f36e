import { gzipSync } from "node:zlib";
import { fromAsyncIterable } from "../../connectors/async_iterable_source.ts";
import { csv } from "../../connectors/csv_source.ts";
import { generator } from "../../connectors/generator_source.ts";
import { fromIterable } from "../../connectors/iterable_source.ts";
import { jsonLines, lines } from "../../connectors/text_formats.ts";
import { sourceContract } from "../contracts/source.ts";
import { filesWith } from "./files_with.ts";

const WORDS = ["to", "be", "or", "not", "that", "is", "the", "question"];

sourceContract("fromIterable(array)", () => ({ source: fromIterable(WORDS), expected: WORDS }));
sourceContract("fromIterable(set)", () => ({ source: fromIterable(new Set(WORDS)), expected: WORDS }));
sourceContract("fromIterable(function)", () => ({
  source: fromIterable(function* () {
    yield* WORDS;
  }),
  expected: WORDS,
}));
sourceContract("fromIterable(endless function)", () => ({
  source: fromIterable(function* () {
    for (let i = 0;; i++) yield i;
  }, { unbounded: true }),
  expected: [0, 1, 2, 3, 4, 5],
}));
sourceContract("fromAsyncIterable(replayable)", () => ({
  source: fromAsyncIterable(async function* () {
    for (const word of WORDS) yield await Promise.resolve(word);
  }, { replayable: true }),
  expected: WORDS,
}));

/** Texts that are hard to cut right: several bytes a character, empty lines, no last line end, all line ends. */
const TEXTS = ["a", "", "ö", "日本", "😀 x", "b c", "", "\u00a0", "last"];

for (const [kind, lineEnd] of [["LF", "\n"], ["CRLF", "\r\n"]] as const) {
  sourceContract(`lines() with ${kind}, no line end at the end and a byte order mark`, () => ({
    source: lines("in/a.txt"),
    expected: TEXTS,
    fileSystem: filesWith({ "in/a.txt": `\ufeff${TEXTS.join(lineEnd)}` }),
  }));
}
sourceContract("lines() of a packed file", () => ({
  source: lines("in/a.txt.gz"),
  expected: TEXTS,
  fileSystem: filesWith({ "in/a.txt.gz": gzipSync(new TextEncoder().encode(TEXTS.join("\n"))) }),
}));
sourceContract("lines() of a folder with several files, one of them empty", () => ({
  source: lines("in"),
  expected: ["1", "2", "3", "4", "5", "6", "7"],
  fileSystem: filesWith({
    "in/a.txt": "1\n2\n",
    "in/b.txt": "",
    "in/c.txt": "3",
    "in/d.txt.gz": gzipSync(new TextEncoder().encode("4\n5\n")),
    "in/e.txt": "6\n7\n",
    "in/.hidden": "not read\n",
  }),
}));
sourceContract("lines() with a rate limit", () => ({
  source: lines("in/a.txt", { ratePerSecond: 3 }),
  expected: TEXTS,
  fileSystem: filesWith({ "in/a.txt": TEXTS.join("\n") }),
}));
sourceContract("lines() that follow a file", () => ({
  source: lines("in/*.log", { follow: true }),
  expected: ["1", "2", "3", "4"],
  fileSystem: filesWith({ "in/a.log": "1\n2\n3\n4\nnot comple" }),
}));

const FLIGHTS = TEXTS.map((origin, index) => ({ origin, delay: index * 1.5 }));

sourceContract("jsonLines() with empty lines between", () => ({
  source: jsonLines<{ origin: string; delay: number }>("in/*.jsonl"),
  expected: FLIGHTS,
  fileSystem: filesWith({
    "in/a.jsonl": FLIGHTS.slice(0, 4).map((flight) => `${JSON.stringify(flight)}\n\n`).join(""),
    "in/b.jsonl": FLIGHTS.slice(4).map((flight) => JSON.stringify(flight)).join("\r\n"),
    "in/c.json": "not matched",
  }),
}));

const ROWS = [
  { name: "plain", note: "a" },
  { name: "comma", note: "a,b" },
  { name: "quote", note: 'say "hi"' },
  { name: "lines", note: "one\r\ntwo\n\nthree" },
  { name: "empty", note: "" },
  { name: "日本", note: '"' },
];
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

sourceContract("csv() with all that quotes can hold", () => ({
  source: csv("in/*.csv"),
  expected: ROWS,
  fileSystem: filesWith({
    "in/a.csv": `name,note\r\n${ROWS.slice(0, 4).map((row) => `${row.name},${quoted(row.note)}\r\n`).join("")}`,
    "in/b.csv": `\ufeffnote,name\n\n${
      ROWS.slice(4).map((row) => `${quoted(row.note)},${quoted(row.name)}`).join("\n")
    }`,
  }),
}));
sourceContract("csv() with typed columns, another delimiter and no header", () => ({
  source: csv("in/a.csv", {
    header: false,
    delimiter: ";",
    columns: { origin: String, delay: Number, late: (text) => text === "yes" },
  }),
  expected: [{ origin: "ATL", delay: 12, late: false }, { origin: "O'Hare, ORD", delay: -3.5, late: true }],
  fileSystem: filesWith({ "in/a.csv": "ATL;12;no\nO'Hare, ORD;-3.5;yes" }),
}));

const made = (index: number) => ({ index, square: index * index });
sourceContract("generator()", () => ({
  source: generator({ count: 150, create: made }),
  expected: Array.from({ length: 150 }, (_, index) => made(index)),
}));
sourceContract("generator() without end, with a rate limit", () => ({
  source: generator({ ratePerSecond: 100, create: made }),
  expected: Array.from({ length: 70 }, (_, index) => made(index)),
}));
