/** What the headers of files say about other files. */
import { findAll, type Finding, type SourceFile } from "./source_file.ts";

/** Headers name files that exist: by their path from the top, or by their own name. */
export function headersNameFiles(files: readonly SourceFile[]): Finding[] {
  const paths = files.map(({ path }) => `/${path}`);
  return files.flatMap((file) => {
    const header = /^(?:#![^\n]*\n)?\s*\/\*\*.*?\*\//s.exec(file.text)?.[0] ?? "";
    return findAll(file, header, /(?<![\w.*])[\w/]+\.ts\b/g, (name) => name)
      .filter(({ message: name }) => !paths.some((path) => path.endsWith(`/${name}`)))
      .map((finding) => ({
        ...finding,
        message: `names ${finding.message}, which does not exist; name the file that it means`,
      }));
  });
}
