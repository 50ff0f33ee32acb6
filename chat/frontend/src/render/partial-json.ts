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
function closings(text: string): string[] {
  const open: string[] = [];
  let quoted = false;
  let shorter = "";
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (quoted) {
      if (sign === "\\") at++;
      else if (sign === '"') quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === "{" || sign === "[") {
      open.push(sign === "{" ? "}" : "]");
      shorter = text.slice(0, at + 1) + ends(open);
    } else if (sign === "}" || sign === "]") open.pop();
    else if (sign === ",") shorter = text.slice(0, at) + ends(open);
  }
  const stem = quoted ? `${text.replace(/(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$/, "$1")}"` : text;
  const number = quoted ? stem : stem.replace(/(?<=\d)[.eE+-]+$/, "");
  return [text, stem + ends(open), number + ends(open), shorter];
}

function ends(open: readonly string[]): string {
  return [...open].reverse().join("");
}
