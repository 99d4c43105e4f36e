/**
 * Finds the place where a text stops being JSON, which `JSON.parse` tells on some runtimes only.
 *
 * Called by: connectors/text_formats.ts, once a text has been refused.
 * Calls: nothing.
 *
 * @module
 */

/** Where and why a text is no JSON. */
export interface JsonMistake {
  /** 0-based offset in characters; the length of the text when something is missing at its end. */
  readonly at: number;
  /** What is wrong there. */
  readonly reason: string;
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
// deno-lint-ignore no-control-regex -- Control characters are what JSON forbids in strings.
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;

/** The first mistake; null when the text is JSON. */
export function findJsonMistake(text: string): JsonMistake | null {
  /** Closers of what is open. */
  const open: string[] = [];
  let at = 0;
  /** What may come next. */
  let state: "value" | "value-or-end" | "key" | "key-or-end" | "after" = "value";
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const length = pattern.exec(text)?.[0].length ?? 0;
    at += length;
    return length > 0;
  };
  const unexpected = (): JsonMistake => {
    const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
    return at < text.length
      ? { at, reason: `unexpected ${JSON.stringify(character)} in JSON` }
      : { at, reason: "unexpected end of JSON" };
  };
  for (;;) {
    skip(SPACE);
    const character = text[at];
    if (state === "after") {
      const closer = open.at(-1);
      if (closer === undefined) return at === text.length ? null : unexpected();
      if (character === closer) open.pop();
      else if (character === ",") state = closer === "}" ? "key" : "value";
      else return unexpected();
      at++;
    } else if ((state === "key-or-end" || state === "value-or-end") && character === open.at(-1)) {
      open.pop();
      at++;
      state = "after";
    } else if (state === "key" || state === "key-or-end") {
      if (!skip(STRING) || text[at] !== '"') return unexpected();
      at++;
      skip(SPACE);
      if (text[at] !== ":") return unexpected();
      at++;
      state = "value";
    } else if (character === "{" || character === "[") {
      open.push(character === "{" ? "}" : "]");
      at++;
      state = character === "{" ? "key-or-end" : "value-or-end";
    } else if (character === '"') {
      skip(STRING);
      if (text[at] !== '"') return unexpected();
      at++;
      state = "after";
    } else if (skip(NUMBER) || skip(WORD)) {
      state = "after";
    } else return unexpected();
  }
}
