/** What may stand in a file, and what it may be called. */
import { findAll, type Finding, lineAt, type Rule, topOf } from "./source_file.ts";

const BANNED_WORDS = /^(?:utils?|helpers?|common|managers?|impls?|base|abstract|data|info)$/;

/** Words of the field that contain a banned one. */
const FIELD_WORDS = /DataStream|dataStream|data_stream/g;

/** Real time, real randomness and real timers: `X.now()` and the like, also through `globalThis`. */
const RAW_TIME = new RegExp(
  [
    String.raw`\bDate\s*\.\s*now\b`,
    String.raw`\bnew\s+Date\s*(?:\(\s*\)|(?=[;,)\]]))`,
    String.raw`(?<![\w$.]|\bnew\s+)Date\s*\(`,
    String.raw`\bperformance\s*\.\s*now\b`,
    String.raw`(?:(?<![\w$.#])|\bglobalThis\s*\.\s*)(?:setTimeout|setInterval|setImmediate)\b`,
    String.raw`\bMath\s*\.\s*random\b`,
    String.raw`\b(?:randomUUID|randomBytes|getRandomValues|hrtime)\b`,
    String.raw`\bTemporal\s*\.\s*Now\b`,
    String.raw`\bAbortSignal\s*\.\s*timeout\b`,
    String.raw`\bBun\s*\.\s*(?:sleep|nanoseconds)\w*`,
  ].join("|"),
  "g",
);
const RAW_TIME_MODULES = /\bfrom\s*"node:(?:timers|timers\/promises|perf_hooks)"/g;

/** The only places with a real clock. */
function ownsTime(path: string): boolean {
  return path === "runtime/system_clock.ts" || path.startsWith("bench/") || path.startsWith("tests/process/");
}

/** Who may print by `console`. */
function ownsTerminal(path: string): boolean {
  return /^control\/terminal\w*\.ts$|^(?:examples|bench|tests\/process)\//.test(path);
}

/** Time and randomness are ports. */
export const timeIsAPort: Rule = (file) => {
  if (ownsTime(file.path)) return [];
  const message = (found: string) =>
    `uses ${found.trim()}; take a Clock or a Random of core/clock.ts as an argument (the real ones are in runtime/system_clock.ts)`;
  const imports = findAll(file, file.text, RAW_TIME_MODULES, message)
    .filter(({ line }) => /\bfrom\s*"/.test(file.code.split("\n")[line - 1] ?? ""));
  return [...findAll(file, file.code, RAW_TIME, message), ...imports];
};

/** Nobody prints but those who own the terminal. */
export const consoleHasOwners: Rule = (file) =>
  ownsTerminal(file.path) ? [] : findAll(
    file,
    file.code,
    /(?<![\w$.])console\s*\.\s*\w+/g,
    (found) => `uses ${found}; log through @logtape/logtape, or leave the terminal to control/terminal*.ts`,
  );

/** What is logged are constant texts with properties: LogTape reads the first argument as a template. */
export const logsAreTemplates: Rule = (file) =>
  findAll(
    file,
    file.code,
    /\blog\s*\.\s*(?:trace|debug|info|warn|warning|error|fatal)\s*\((?!\s*["'])/g,
    (found) =>
      `calls ${found}…) with a text that is not constant; braces in it would be lost: ` +
      `log.warn("… {reason}", { reason })`,
  );

/** Exports are named one by one, from the file that defines them. */
export const exportsAreNamed: Rule = (file) =>
  findAll(file, file.code, /\bexport\s*(?:type\s*)?\*/g, () => "exports everything; name each export");

/** `any` switches the type check off. */
export const noAny: Rule = (file) =>
  findAll(
    file,
    file.code,
    /(?:[:<,|&(=]|=>|\bas\b|\bextends\b|\bis\b|\bkeyof\b|\breadonly\b)\s*\bany\b(?!\s*[(:.=?])/g,
    () => "uses any; write unknown, a type parameter or the type itself",
  );

/** Work that is left is not left in the code. */
export const nothingIsLeftToDo: Rule = (file) =>
  findAll(
    file,
    file.text,
    /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/g,
    (found) => `says ${found}; do it, or file it as work to come`,
  );

/** A check that is switched off says why. */
export const ignoresCarryReasons: Rule = (file) => [
  ...findAll(
    file,
    file.text,
    /\/\/ deno-lint-ignore(?:-file)?\b(?!.* -- \S)[^\n]*/g,
    () => `switches a lint rule off without a reason; write // deno-lint-ignore rule -- reason`,
  ),
  ...findAll(
    file,
    file.text,
    /\/\/ @ts-(?:ignore|nocheck)\b/g,
    (found) => `says ${found.slice(3)}; make the types true`,
  ),
];

/** Each source file opens with the sentence that places it. */
export const filesIntroduceThemselves: Rule = (file) => {
  const top = topOf(file.path);
  if (top === "tests" && /_test\.ts$/.test(file.path)) return [];
  const header = /^(?:#![^\n]*\n)?\s*\/\*\*(.*?)\*\//s.exec(file.text)?.[1];
  const plain = ["tests", "bench", "examples"].includes(top);
  if (header !== undefined && (plain || header.includes("@module"))) return [];
  const wanted = plain
    ? "a /** … */ comment that says what it does"
    : "a /** … @module */ comment: what it does, called by, calls";
  return [{ path: file.path, line: 1, message: `has no header; open it with ${wanted}` }];
};

/** Files are snake_case nouns, and names say what a thing is. */
export const namesSaySomething: Rule = (file) => {
  const findings: Finding[] = [];
  const fileName = file.path.split("/").at(-1) ?? "";
  const add = (line: number, message: string) => findings.push({ path: file.path, line, message });
  if (fileName === "index.ts") add(1, "is an index.ts; import the file that defines a name, users import mod.ts");
  if (!/^[a-z0-9]+(?:_[a-z0-9]+)*\.ts$/.test(fileName)) add(1, `is called "${fileName}"; use snake_case`);
  for (const word of file.path.replace(FIELD_WORDS, "").replace(/\.ts$/, "").split(/[/_]/)) {
    if (BANNED_WORDS.test(word)) add(1, `has "${word}" in its path; name the file after the thing it defines`);
  }
  for (const { name, line } of exportedNames(file.code)) {
    const words = name.replace(FIELD_WORDS, "").split(/_|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/);
    const banned = words.find((word) => BANNED_WORDS.test(word.toLowerCase()));
    if (banned !== undefined) add(line, `exports "${name}"; "${banned}" says nothing, say what it is`);
  }
  return findings;
};

function exportedNames(code: string): { name: string; line: number }[] {
  const declared =
    /\bexport\s+(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:const\s+enum|function\s*\*?|class|const|let|interface|type|enum)\s+([\w$]+)/g;
  const names = [...code.matchAll(declared)].map((match) => ({
    name: match[1] ?? "",
    line: lineAt(code, match.index),
  }));
  for (const match of code.matchAll(/\bexport\s*(?:type\s*)?\{([^}]*)\}/g)) {
    for (const entry of (match[1] ?? "").split(",")) {
      const name = entry.trim().split(/\s+/).at(-1);
      if (name) names.push({ name, line: lineAt(code, match.index) });
    }
  }
  return names;
}
