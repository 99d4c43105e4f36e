/** Who may import what. */
import { type Finding, lineAt, type Rule, type SourceFile, topOf } from "./source_file.ts";

/** Folder → folders it may import. `mod.ts`, examples, bench and tests may import anything. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  timers: ["core"],
  backends: ["core"],
  checkpoint: ["core"],
  runtime: ["core", "timers", "backends", "checkpoint"],
  connectors: ["core", "runtime"],
  control: ["core", "backends", "checkpoint", "runtime"],
};

const FREE = [
  "mod.ts",
  "inspection.ts",
  "state_backend.ts",
  "testing.ts",
  "two_streams.ts",
  "windows.ts",
  "examples",
  "bench",
  "tests",
];

/** Modules that do I/O or start threads: not for `core`, which only declares. */
const INPUT_OUTPUT =
  /^node:(?:fs|net|tls|http|https|http2|dgram|child_process|worker_threads|cluster|os|process|readline|repl)\b/;

/** A module that another one names. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** Every module that a file imports, re-exports or loads by a literal `import()`. */
export function importsOf(file: SourceFile): Import[] {
  const pattern = /\bfrom\s*(["'])|\bimport\s*(["'])|\bimport\s*\(\s*(["'])/g;
  const found: Import[] = [];
  for (const match of file.code.matchAll(pattern)) {
    const start = match.index + match[0].length;
    const quote = match[1] ?? match[2] ?? match[3] ?? '"';
    found.push({ specifier: file.text.slice(start, file.text.indexOf(quote, start)), line: lineAt(file.text, start) });
  }
  return found;
}

/** Path in the repository of a relative import; `undefined` for a package. */
export function resolveImport(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** Imports go one way: core ← {timers, backends, checkpoint} ← runtime ← {connectors, control} ← the rest. */
export const importsGoOneWay: Rule = (file) => {
  const folder = topOf(file.path);
  const allowed = MAY_IMPORT[folder];
  if (allowed === undefined) {
    if (FREE.includes(folder)) return [];
    return [{
      path: file.path,
      line: 1,
      message:
        `"${folder}" is not in the table MAY_IMPORT; put the file in a folder that is, or add it with a decision`,
    }];
  }
  const findings: Finding[] = [];
  for (const { specifier, line } of importsOf(file)) {
    const target = resolveImport(file.path, specifier);
    if (target === undefined || topOf(target) === folder || allowed.includes(topOf(target))) continue;
    const may = allowed.length === 0 ? "nothing outside itself" : `only ${allowed.join(", ")}`;
    findings.push({
      path: file.path,
      line,
      message:
        `imports "${specifier}", but ${folder} may import ${may}; declare the contract in core and meet in runtime`,
    });
  }
  return findings;
};

/** Relative imports name a file; packages come from package.json, built-ins carry `node:`. */
export function packagesAreListed(
  packages: Readonly<Record<"dependencies" | "devDependencies", readonly string[]>>,
): Rule {
  return (file) => {
    const isOurs = ["tests", "bench"].includes(topOf(file.path));
    const listed = isOurs ? [...packages.dependencies, ...packages.devDependencies] : packages.dependencies;
    return importsOf(file).flatMap(({ specifier, line }): Finding[] => {
      if (specifier.startsWith(".")) {
        if (/\.(?:ts|json)$/.test(specifier)) return [];
        return [{ path: file.path, line, message: `imports "${specifier}"; name the file with its extension .ts` }];
      }
      if (specifier.startsWith("node:")) return [];
      const name = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
      if (listed.includes(name)) return [];
      return [{
        path: file.path,
        line,
        message: `imports "${specifier}"; built-ins are imported as "node:…", packages are listed in package.json ` +
          `(devDependencies serve tests and benches only) with their reason in docs/decisions/0001-dependencies.md`,
      }];
    });
  };
}

/** `cbor-x` loads a native add-on from its main entry. */
export const cborWithoutNativeAddOn: Rule = (file) =>
  importsOf(file).filter(({ specifier }) => /^cbor-x(?!\/encode$)/.test(specifier)).map(({ specifier, line }) => ({
    path: file.path,
    line,
    message: `imports "${specifier}", which loads a native add-on; import "cbor-x/encode"`,
  }));

/** `core` declares and computes; what touches the machine comes in as an argument. */
export const coreDoesNoIo: Rule = (file) =>
  topOf(file.path) !== "core" ? [] : importsOf(file).filter(({ specifier }) => INPUT_OUTPUT.test(specifier)).map(
    ({ specifier, line }) => ({
      path: file.path,
      line,
      message:
        `imports "${specifier}", but core does no I/O; declare a port in core and implement it in another folder`,
    }),
  );

/** The native add-on `lmdb` has one door, in backends/lmdb/; as a baseline it serves benches. Looks at all files together. */
export function lmdbHasOneDoor(files: readonly SourceFile[]): Finding[] {
  const imports = files.filter(({ path }) => topOf(path) !== "bench").flatMap((file) =>
    importsOf(file).filter(({ specifier }) => /^lmdb(?:\/|$)/.test(specifier)).map(({ line }) => ({ file, line }))
  );
  const door = imports.find(({ file }) => file.path.startsWith("backends/lmdb/"))?.file.path;
  return imports.filter(({ file }) => file.path !== door).map(({ file, line }) => ({
    path: file.path,
    line,
    message: `imports "lmdb", which only one file in backends/lmdb/ may do; go through ${door ?? "a file there"}`,
  }));
}
