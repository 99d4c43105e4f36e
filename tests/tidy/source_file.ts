/** A TypeScript file as the tidy rules see it: its text, and its code with comments and literals blanked out. */

/** One file; `code` has the same length and line breaks as `text`. */
export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** `text` with the insides of comments, strings, templates and regular expressions replaced by spaces. */
  readonly code: string;
}

/** One broken rule, with what to do about it. */
export interface Finding {
  readonly path: string;
  /** 1-based. */
  readonly line: number;
  readonly message: string;
}

/** A rule looks at one file. */
export type Rule = (file: SourceFile) => Finding[];

/** Makes a `SourceFile` of a path and a text. */
export function sourceFile(path: string, text: string): SourceFile {
  return { path, text, code: blank(text) };
}

/** The 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let i = text.indexOf("\n"); i !== -1 && i < offset; i = text.indexOf("\n", i + 1)) line++;
  return line;
}

/** The folder that the import rule knows a file by: `core`, `tests`, … or the file itself at the top. */
export function topOf(path: string): string {
  return path.split("/")[0] ?? path;
}

/** A finding for every match of `pattern` in `text`. */
export function findAll(
  file: SourceFile,
  text: string,
  pattern: RegExp,
  message: (found: string) => string,
): Finding[] {
  return [...text.matchAll(pattern)].map((match) => ({
    path: file.path,
    line: lineAt(text, match.index),
    message: message(match[0]),
  }));
}

/** After one of these a slash starts a regular expression, not a division. */
const BEFORE_REGEX =
  /(?:^|[=(,:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|yield|await))\s*$/;

/** Replaces what is not code by spaces; quotes and comment marks stay out, template placeholders stay in. */
export function blank(text: string): string {
  const out: string[] = [];
  /** For each template that is open: how many braces are open inside its placeholder. */
  const placeholders: number[] = [];
  let at = 0;
  const skip = (end: number) => {
    out.push(text.slice(at, end).replace(/[^\n]/g, " "));
    at = end;
  };
  const keep = () => out.push(text.charAt(at++));
  /** Blanks up to and with the back-tick or `${` that ends this part of a template. */
  const template = () => {
    const end = endOfTemplatePart(text, at);
    const opens = text.startsWith("${", end - 2);
    skip(opens ? end - 2 : end - 1);
    keep();
    if (!opens) return;
    keep();
    placeholders.push(0);
  };
  while (at < text.length) {
    const char = text.charAt(at);
    const depth = placeholders.at(-1);
    if (text.startsWith("//", at) || (at === 0 && text.startsWith("#!"))) skip(endOfComment(text, "\n", at));
    else if (text.startsWith("/*", at)) skip(endOfComment(text, "*/", at + 2));
    else if (char === '"' || char === "'") {
      const end = endOfQuoted(text, at, char);
      keep();
      skip(end - 1);
      keep();
    } else if (char === "/" && BEFORE_REGEX.test(lastCode(out))) skip(endOfRegex(text, at));
    else if (char === "`") {
      keep();
      template();
    } else if (depth !== undefined && char === "}" && depth === 0) {
      placeholders.pop();
      keep();
      template();
    } else {
      if (depth !== undefined && char === "{") placeholders[placeholders.length - 1] = depth + 1;
      if (depth !== undefined && char === "}") placeholders[placeholders.length - 1] = depth - 1;
      keep();
    }
  }
  return out.join("");
}

/** The last code written so far, enough of it to tell a division from a regular expression. */
function lastCode(out: readonly string[]): string {
  let tail = "";
  for (let i = out.length - 1; i >= 0 && tail.trim().length < 8; i--) tail = out[i] + tail;
  return tail.trimEnd();
}

function endOfComment(text: string, end: "\n" | "*/", from: number): number {
  const found = text.indexOf(end, from);
  if (found === -1) return text.length;
  return end === "\n" ? found : found + end.length;
}

function endOfQuoted(text: string, start: number, quote: string): number {
  let i = start + 1;
  while (i < text.length && text.charAt(i) !== quote && text.charAt(i) !== "\n") i += text.charAt(i) === "\\" ? 2 : 1;
  return Math.min(i + 1, text.length);
}

function endOfTemplatePart(text: string, start: number): number {
  let i = start;
  while (i < text.length) {
    if (text.charAt(i) === "\\") i += 2;
    else if (text.charAt(i) === "`") return i + 1;
    else if (text.startsWith("${", i)) return i + 2;
    else i++;
  }
  return text.length;
}

function endOfRegex(text: string, start: number): number {
  let inClass = false;
  for (let i = start + 1; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === "\\") i++;
    else if (char === "[") inClass = true;
    else if (char === "]") inClass = false;
    else if (char === "\n") return i;
    else if (char === "/" && !inClass) return i + 1;
  }
  return text.length;
}
