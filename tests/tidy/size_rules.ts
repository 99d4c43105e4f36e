/** How large things may get, and where they lie. */
import { type Finding, lineAt, type Rule, topOf } from "./source_file.ts";

const FILE_LINES = 500;
const FUNCTION_LINES = 70;
const ENTRY_LINES = 250;
const FOLDER_LEVELS = 3;

/** A function found in a file. */
export interface FunctionSpan {
  /** Name as written, or `=>`. */
  readonly name: string;
  /** First line, 1-based. */
  readonly line: number;
  /** Lines from the name to the closing brace. */
  readonly lines: number;
  /** `lines` without those of the functions inside. */
  readonly ownLines: number;
}

/** No file above 500 lines. */
export const filesAreShort: Rule = (file) => {
  const lines = file.text.replace(/\n$/, "").split("\n").length;
  if (lines <= FILE_LINES) return [];
  return [{
    path: file.path,
    line: FILE_LINES + 1,
    message: `has ${lines} lines, at most ${FILE_LINES}; split by decision, not by half`,
  }];
};

/** No function above 70 lines. In tests, where a suite is a function full of tests, inner functions count apart. */
export const functionsAreShort: Rule = (file) => {
  const inTests = topOf(file.path) === "tests";
  return functionsOf(file.code).filter((span) => (inTests ? span.ownLines : span.lines) > FUNCTION_LINES).map((
    span,
  ) => ({
    path: file.path,
    line: span.line,
    message: `function ${span.name} has ${inTests ? span.ownLines : span.lines} lines, at most ${FUNCTION_LINES}; ` +
      `name its steps and make them functions`,
  }));
};

/** Files that users import. */
export const ENTRIES: readonly string[] = [
  "mod.ts",
  "inspection.ts",
  "state_backend.ts",
  "testing.ts",
  "two_streams.ts",
  "windows.ts",
];

/** An entry lists its exports one by one. */
export const entryIsExplicit: Rule = (file) => {
  if (!ENTRIES.includes(file.path)) return [];
  const findings: Finding[] = [];
  const lines = file.text.replace(/\n$/, "").split("\n").length;
  if (lines > ENTRY_LINES) {
    findings.push({
      path: file.path,
      line: ENTRY_LINES + 1,
      message: `has ${lines} lines, at most ${ENTRY_LINES}; move a topic to an entry of its own`,
    });
  }
  for (const match of file.code.matchAll(/^.*\S.*$/gm)) {
    const line = match[0].trim();
    const explicit = /^export (?:type )?\{$|^(?:type )?[\w$]+(?: as [\w$]+)?,$|^\} from "\s*";$/.test(line);
    if (explicit || /^export (?:type )?\{(?: (?:type )?[\w$]+(?: as [\w$]+)? | ?)\}(?: from "\s*")?;$/.test(line)) {
      continue;
    }
    findings.push({
      path: file.path,
      line: lineAt(file.code, match.index),
      message: `"${line}" is not one explicit export; write export { Name } from "./file.ts", one name a line`,
    });
  }
  return findings;
};

/** At most three folders above a file. */
export const foldersAreFlat: Rule = (file) => {
  const levels = file.path.split("/").length - 1;
  if (levels <= FOLDER_LEVELS) return [];
  return [{ path: file.path, line: 1, message: `lies ${levels} folders deep, at most ${FOLDER_LEVELS}; move it up` }];
};

/**
 * Finds functions by their braces: a body follows `=>`, or a parameter list that is not a statement's.
 *
 * @param code Source with comments and literals blanked.
 */
export function functionsOf(code: string): FunctionSpan[] {
  const closers = matchBrackets(code);
  const found: { name: string; start: number; end: number }[] = [];
  for (const match of code.matchAll(/([\w$#]+)\s*(?:<[^(){};]*>)?\s*\(/g)) {
    const name = match[1] ?? "";
    if (/^(?:if|for|while|switch|catch|with|return|await|of|in|new|typeof|super)$/.test(name)) continue;
    const close = closers.get(match.index + match[0].length - 1);
    const body = close === undefined ? undefined : bodyAfter(code, close + 1, closers);
    const end = body === undefined ? undefined : closers.get(body);
    if (end !== undefined) found.push({ name, start: match.index, end });
  }
  for (const match of code.matchAll(/=>\s*\{/g)) {
    const end = closers.get(match.index + match[0].length - 1);
    if (end !== undefined) found.push({ name: "=>", start: match.index, end });
  }
  return found.map((span) => {
    const lines = linesOf(code, span);
    const inner = found.filter((other) => span.start < other.start && other.end < span.end);
    const direct = inner.filter((one) => !inner.some((other) => other.start < one.start && one.end < other.end));
    const innerLines = direct.reduce((sum, one) => sum + linesOf(code, one), 0);
    return { name: span.name, line: lineAt(code, span.start), lines, ownLines: lines - innerLines };
  });
}

function linesOf(code: string, { start, end }: { start: number; end: number }): number {
  return lineAt(code, end) - lineAt(code, start) + 1;
}

/** Offset of each opening bracket → offset of the one that closes it. */
function matchBrackets(code: string): Map<number, number> {
  const closers = new Map<number, number>();
  const open: number[] = [];
  for (let i = 0; i < code.length; i++) {
    const char = code.charAt(i);
    if ("([{".includes(char)) open.push(i);
    else if (")]}".includes(char)) {
      const start = open.pop();
      if (start !== undefined) closers.set(start, i);
    }
  }
  return closers;
}

/** The brace that opens the body after a parameter list, past a return type; `undefined` when this was only a call. */
function bodyAfter(code: string, from: number, closers: ReadonlyMap<number, number>): number | undefined {
  let previous = "";
  for (let i = from; i < code.length; i++) {
    const char = code.charAt(i);
    if (/\s/.test(char)) continue;
    if (previous === "" && char !== "{" && char !== ":") return undefined;
    if (char === "{" && !/[:|&<,?=]/.test(previous)) return i;
    if ("([{".includes(char)) {
      i = closers.get(i) ?? code.length;
      previous = ")";
      continue;
    }
    // A type goes on over these; anything else that is no word ends the search.
    if (!/[\w$:|&<>,.?=[\]'"`]/.test(char) || (char === "=" && code.charAt(i + 1) !== ">")) return undefined;
    previous = char === ">" && code.charAt(i - 1) === "=" ? "=" : char;
    if (char === "," && !insideAngles(code, from, i)) return undefined;
  }
  return undefined;
}

/** True when a `<` that was opened after `from` is still open at `to`. */
function insideAngles(code: string, from: number, to: number): boolean {
  const text = code.slice(from, to).replaceAll("=>", "");
  return text.split("<").length > text.split(">").length;
}
