/** JSON of which only a beginning has come; the twin of `read_partial` in chat/pages/tool_words.py. */

/** What can be said of it so far: a half string as far as it goes, a member without its value not yet. Undefined: it is no JSON. */
export function readPartial(text: string): unknown {
  for (const closed of closings(text)) {
    try {
      return JSON.parse(closed) as unknown;
    } catch {
      // the next one says less
    }
  }
  return undefined;
}

/** The text as it is, closed where it stops, there without half of a number, and without its last member. */
function* closings(text: string): Iterable<string> {
  yield text;
  const { ends, quoted, whole } = leftOpen(text);
  const stem = quoted ? `${text.replace(/(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$/, "$1")}"` : text;
  yield stem + ends;
  yield (quoted ? stem : stem.replace(/(?<=\d)[.eE+-]+$/, "")) + ends;
  yield text.slice(0, whole) + leftOpen(text.slice(0, whole)).ends;
}

/** What closes it, whether it stops within a string, and how much of it stands before its last member. */
function leftOpen(text: string): { ends: string; quoted: boolean; whole: number } {
  const open: string[] = [];
  let quoted = false;
  let whole = 0;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (quoted) {
      if (sign === "\\") at++;
      else if (sign === '"') quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === "{" || sign === "[") {
      open.push(sign === "{" ? "}" : "]");
      whole = at + 1;
    } else if (sign === "}" || sign === "]") open.pop();
    else if (sign === ",") whole = at;
  }
  return { ends: open.reverse().join(""), quoted, whole };
}
