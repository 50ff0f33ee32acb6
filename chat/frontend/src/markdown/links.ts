/** Inline rules that keep markdown-it linear (twins of chat/pages/markdown_links.py). */

import type StateInline from "markdown-it/lib/rules_inline/state_inline.mjs";
import type { Env } from "./bounds";

/** The types leave out that one is inside a link. */
type Inline = StateInline & { linkLevel: number };

/** A longer address is left as words. In characters, as the server counts: hence the flag `u`. */
const BOUNDED = /[^]{0,2048}/uy;
const SCHEME = /(?:https?|ftp|mailto)$/i;
const LONGEST_SCHEME = 6;
const END_OF_EMPHASIS = /_(?![A-Za-z0-9_])/;
/** A host that normalizeLink had to escape, or lost for its length, is none. */
const GOOD_ADDRESS = /^(?:mailto:|[a-z]+:\/\/[^/?#%]+(?:[/?#]|$))/i;
const WORD = /[A-Za-z0-9]/;

/** A bare address. linkify-it knows what one looks like, but is only shown a bounded piece, at its scheme. */
export function bareLink(state: StateInline, silent: boolean): boolean {
  const { pos, src } = state;
  if (silent || (state as Inline).linkLevel > 0 || src[pos] !== ":") return false;
  const scheme = SCHEME.exec(src.slice(Math.max(0, pos - LONGEST_SCHEME), pos))?.[0];
  if (!scheme) return false;
  const start = pos - scheme.length;
  if (start > 0 && WORD.test(src[start - 1] ?? "")) return false;
  BOUNDED.lastIndex = pos + 1;
  const rest = BOUNDED.exec(src)?.[0] ?? "";
  const length = addressLength(state, scheme, rest);
  if (!length || (length === rest.length && pos + 1 + length < src.length)) return false;
  return pushLink(state, withoutStars(`${scheme}:${rest.slice(0, length)}`), scheme);
}

/** What follows the scheme. No host ends in `_`, but emphasis around an address may. */
function addressLength(state: StateInline, scheme: string, rest: string): number {
  const name = `${scheme.toLowerCase()}:`;
  const length = state.md.linkify.testSchemaAt(rest, name, 0);
  const emphasis = length ? -1 : rest.search(END_OF_EMPHASIS);
  return emphasis < 0 ? length : state.md.linkify.testSchemaAt(rest.slice(0, emphasis), name, 0);
}

/** Stars at the end are emphasis. A regular expression would try each of many stars in the middle. */
function withoutStars(url: string): string {
  let end = url.length;
  while (url[end - 1] === "*") end -= 1;
  return url.slice(0, end);
}

function pushLink(state: StateInline, url: string, scheme: string): boolean {
  const href = state.md.normalizeLink(url);
  if (!GOOD_ADDRESS.test(href) || !state.md.validateLink(href) || !state.pending.endsWith(scheme)) return false;
  state.pending = state.pending.slice(0, -scheme.length);
  const opening = state.push("link_open", "a", 1);
  opening.attrs = [["href", href]];
  opening.markup = "linkify";
  opening.info = "auto";
  state.push("text", "", 0).content = state.md.normalizeLinkText(url);
  const closing = state.push("link_close", "a", -1);
  closing.markup = "linkify";
  closing.info = "auto";
  state.pos += url.length - scheme.length;
  return true;
}

/** Where no bracket can be a link (`links` in the environment, see parseInline), none is tried. */
export function literalBracket(state: StateInline, silent: boolean): boolean {
  if ((state.env as Env).links ?? true) return false;
  const char = state.src[state.pos];
  if (char !== "[" && !(char === "!" && state.src[state.pos + 1] === "[")) return false;
  if (!silent) state.pending += char;
  state.pos += 1;
  return true;
}
