import { gzipSync } from "node:zlib";
import { fromAsyncIterable } from "../../connectors/async_iterable_source.ts";
import { fromIterable } from "../../connectors/iterable_source.ts";
import { jsonLines, lines } from "../../connectors/text_formats.ts";
import { sourceContract } from "../contracts/source.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";

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

function filesWith(content: Record<string, string | Uint8Array>): MemoryFileSystem {
  const files = new MemoryFileSystem();
  for (const [path, text] of Object.entries(content)) files.put(path, text);
  return files;
}

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
