/** Reads which items the tests name and which docs/flink_map.md lists, and says where the two disagree. */

/** A file of tests. */
export interface TestText {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** A row of the map. */
export interface MapRow {
  readonly item: number;
  /** What holds, in half a line. */
  readonly words: string;
  readonly kind: "covered" | "not here" | "differs";
  /** Files of tests, of a covered item. */
  readonly places: readonly string[];
  /** Why it is not covered; empty for a covered item. */
  readonly reason: string;
}

/** Bracketed numbers that end a literal: `… before any write [1]`, `[2, 3]`, `[4-6] [8]`. */
const TAGGED_NAME = /((?: \[\d+(?:-\d+)?(?:, ?\d+(?:-\d+)?)*\])+)["'`]/g;

/** The items of a text like `[1, 3-5]`. */
export function itemsIn(text: string): number[] {
  return [...text.matchAll(/(\d+)(?:-(\d+))?/g)].flatMap(([, first, last]) => {
    const start = Number(first);
    const count = last === undefined ? 1 : Math.max(0, Number(last) - start + 1);
    return Array.from({ length: count }, (_, index) => start + index);
  });
}

/** Item → files whose tests name it. */
export function itemsOfTests(files: readonly TestText[]): Map<number, Set<string>> {
  const found = new Map<number, Set<string>>();
  for (const { path, text } of files) {
    for (const [, tags] of text.matchAll(TAGGED_NAME)) {
      for (const item of itemsIn(tags!)) {
        const paths = found.get(item) ?? new Set();
        found.set(item, paths.add(path));
      }
    }
  }
  return found;
}

/** The rows of the map: every table line that begins with a number. */
export function rowsOf(markdown: string): MapRow[] {
  return [...markdown.matchAll(/^\| *(\d+) *\| *(.*?) *\| *(.*?) *\|$/gm)].map(([, item, words, place]) => {
    const excuse = /^(not here|differs): *(.*)$/.exec(place!);
    // The pattern admits only these two.
    const kind = (excuse?.[1] ?? "covered") as MapRow["kind"];
    const places = kind === "covered" ? [...place!.matchAll(/`([^`]+)`/g)].map(([, path]) => path!) : [];
    return { item: Number(item), words: words!, kind, places, reason: excuse?.[2] ?? "" };
  });
}

/** What is wrong, a line each; empty when map and tests agree on every item that is wanted. */
export function disagreements(
  wanted: readonly number[],
  rows: readonly MapRow[],
  tests: ReadonlyMap<number, ReadonlySet<string>>,
): string[] {
  const problems: string[] = [];
  const listed = new Set<number>();
  for (const row of rows) {
    if (listed.has(row.item)) problems.push(`item ${row.item} is in the map twice`);
    listed.add(row.item);
    problems.push(...problemsOf(row, tests.get(row.item) ?? new Set()));
  }
  for (const item of wanted) {
    if (listed.has(item)) continue;
    const paths = [...tests.get(item) ?? []];
    problems.push(
      paths.length > 0
        ? `item ${item} is not in the map; give it a row with its place, ${paths.join(", ")}`
        : `item ${item} is neither covered by a test nor excused in the map`,
    );
  }
  return problems;
}

function problemsOf({ item, words, kind, places, reason }: MapRow, tests: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  if (words.length < 10) problems.push(`item ${item} has no words in the map`);
  if (kind === "covered") {
    if (tests.size === 0) {
      problems.push(`item ${item} is covered by no test, but the map says so; test it, or excuse it`);
    }
    if (places.length === 0) problems.push(`item ${item} has no place in the map`);
    for (const place of places) {
      if (tests.size > 0 && !tests.has(place)) problems.push(`item ${item} is not named by any test in "${place}"`);
    }
  } else {
    if (reason.length < 20) problems.push(`item ${item} has no reason in the map`);
    if (kind === "not here" && tests.size > 0) {
      problems.push(`item ${item} is excused, but ${[...tests].join(", ")} covers it; give it a place in the map`);
    }
  }
  return problems;
}

/** Suites that no test file imports, directly or through others: their tests never run. */
export function suitesThatNeverRun(files: readonly TestText[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const visit = (path: string): void => {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) return;
    reached.add(path);
    for (const [, target] of file.text.matchAll(/from "(\.{1,2}\/[^"]+)"/g)) {
      visit(new URL(target!, `file:///${path}`).pathname.slice(1));
    }
  };
  for (const { path } of files) if (path.endsWith("_test.ts")) visit(path);
  return files.map(({ path }) => path).filter((path) => !reached.has(path));
}
