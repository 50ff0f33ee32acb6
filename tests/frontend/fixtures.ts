import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Every fixture of a folder, by file name. Tests run from the repository's root. */
export function fixtures<T>(folder: string): [string, T][] {
  const root = join("tests/fixtures", folder);
  const names = readdirSync(root).filter((name) => name.endsWith(".json"));
  if (names.length === 0) throw new Error(`no fixtures in ${root}`);
  return names.map((name) => [name, JSON.parse(readFileSync(join(root, name), "utf8")) as T]);
}

/** The fixtures hold HTML as a sanitizer writes it; the renderer escapes a little more. Same tree, one spelling. */
export function spelling(html: string): string {
  return html.replaceAll("&quot;", '"').replaceAll("\u00a0", "&nbsp;");
}
