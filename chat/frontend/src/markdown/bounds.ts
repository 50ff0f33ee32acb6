/**
 * What rendering may cost, so that no text can hold up the page (twin of chat/pages/markdown_bounds.py, where the weights
 * are explained): both sides stop in the same place. Beyond the bounds nothing is lost, it is shown as it was written.
 */

import type StateCore from "markdown-it/lib/rules_core/state_core.mjs";
import type Token from "markdown-it/lib/token.mjs";

/** What blocks of one text share. */
export interface Env {
  /** References found so far. */
  references?: Record<string, unknown>;
  /** Weight of the lines and of the inline content so far. */
  lines?: number;
  spent?: number;
  /** Whether brackets of the paragraph at hand may be links. */
  links?: boolean;
  /** The line where the first block begins that nests too deep. */
  tooDeep?: number;
  /** Something was shown as it was written. */
  isCut?: boolean;
}

const MOST_LINES_WEIGHT = 400_000;
const MOST_INLINE_WEIGHT = 500_000;
const MOST_BRACKET_STEPS = 100_000;
export const MAX_NESTING = 50;

const BLANK_OR_CODE = 2;
const LINE = 20;
const DEFINITION = 20;
const COLUMN = 3;
const LEVEL = 5;
const LONGEST_PREFIX = 5_000;

const BLANK = /^[ \t]*$/;
const PREFIX = new RegExp(`^(?:[ \\t>]|[-+*](?=[ \\t]|$)|[0-9]{1,9}[.)](?=[ \\t]|$)){0,${LONGEST_PREFIX}}`);
const DELIMITERS = /^[ \t>|:-]+$/;
const FENCE = /^(`{3,}(?=[^`]*$)|~{3,})/;
const NESTED_FENCE = /^[ \t>*+\-0-9.)]+(?:```|~~~)/;
const CLOSING = /^ {0,3}(`{3,}|~{3,})[ \t]*$/;

export function normalized(source: string): string {
  return source.replace(/\r\n?/g, "\n").replaceAll("\0", "\ufffd");
}

/** Weighs line by line. Depth and columns last until a blank line: a lazy line belongs to all that is open. */
class Scale {
  private carried = 0;
  private fence = "";
  private certain = true;

  weigh(line: string): number {
    if (this.fence) {
      if (CLOSING.exec(line)?.[1]?.startsWith(this.fence)) this.fence = "";
      return BLANK_OR_CODE;
    }
    if (BLANK.test(line)) {
      this.carried = 0;
      return BLANK_OR_CODE;
    }
    const opening = FENCE.exec(line)?.[1];
    if (opening && this.certain) {
      this.fence = opening;
      this.carried = 0;
      return LINE;
    }
    if (this.certain && NESTED_FENCE.test(line)) this.certain = false;
    return this.weighText(line);
  }

  private weighText(line: string): number {
    const prefix = PREFIX.exec(line)?.[0].length ?? 0;
    if (prefix >= LONGEST_PREFIX) return MOST_LINES_WEIGHT + 1;
    const columns = line.includes("|") && DELIMITERS.test(line) ? COLUMN * cells(line) : 0;
    this.carried = Math.max(this.carried, prefix, columns);
    return LINE + (line.startsWith("[", prefix) ? DEFINITION : 0) + LEVEL * (prefix + this.carried);
  }
}

function cells(delimiters: string): number {
  return delimiters.split("|").filter((cell) => cell.includes("-")).length;
}

/** Where the lines that may be Markdown end in normalized `text` (its length, as a rule), and what they weigh. */
export function affordable(text: string, already = 0): { end: number; weight: number } {
  const scale = new Scale();
  let weight = 0;
  for (let start = 0; start < text.length; ) {
    const found = text.indexOf("\n", start);
    const end = found < 0 ? text.length : found;
    const line = scale.weigh(text.slice(start, end));
    if (already + weight + line > MOST_LINES_WEIGHT) return { end: start, weight };
    weight += line;
    start = end + 1;
  }
  return { end: text.length, weight };
}

export function lineStart(text: string, line: number): number {
  let start = 0;
  for (let left = line; left > 0; left--) start = text.indexOf("\n", start) + 1;
  return start;
}

function count(text: string, part: string): number {
  let found = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) found += 1;
  return found;
}

/** Tells `tooDeep` where the first top-level block begins that nests too deep. */
export function stopAtNesting(state: StateCore): void {
  let top = 0;
  for (const token of state.tokens) {
    if (token.level === 0 && token.map) top = token.map[0];
    if (token.level >= MAX_NESTING - 1) {
      (state.env as Env).tooDeep = top;
      state.tokens = [];
      return;
    }
  }
}

/** markdown-it's rule `inline`, but what would cost too much stays as it was written. */
export function parseInline(state: StateCore): void {
  const env = state.env as Env;
  const hasReferences = env.references !== undefined;
  for (const token of state.tokens) {
    if (token.type !== "inline") continue;
    token.children = [];
    const { weight, links } = weighInline(token.content, hasReferences);
    env.links = links;
    const isParsed = spend(env, weight);
    if (isParsed) state.md.inline.parse(token.content, state.md, env, token.children);
    const addresses = token.children.reduce((sum, child) => sum + weighAddress(child), 0);
    if (!isParsed || !spend(env, addresses)) token.children = asWritten(state, token.content);
  }
}

function spend(env: Env, weight: number): boolean {
  const spent = (env.spent ?? 0) + weight;
  if (spent > MOST_INLINE_WEIGHT) return false;
  env.spent = spent;
  return true;
}

const MARKS = /[\n!#$%&*+\-:<=>@[\\\]^_`{}~]/g;

/** The weight, and whether its brackets may be links. */
function weighInline(content: string, hasReferences: boolean): { weight: number; links: boolean } {
  let marks = 0;
  for (MARKS.lastIndex = 0; MARKS.test(content); ) marks += 1;
  let weight = 10 + Math.floor(content.length / 16) + 6 * marks;
  if (marks === 0) return { weight, links: false };
  weight += 60 * count(content, "://") + 30 * count(content, "@") + 15 * count(content, "<");
  const brackets = count(content, "[");
  const steps = brackets * marks;
  const hasLinks = content.includes("](") || (hasReferences && content.includes("]"));
  if (!hasLinks || steps > MOST_BRACKET_STEPS) return { weight, links: false };
  return { weight: weight + 10 * brackets + steps, links: true };
}

/** A reference of three characters may stand for a very long address. */
function weighAddress({ attrs }: Token): number {
  if (!attrs) return 0;
  const lengths = attrs.map(([name, value]) => (name === "href" || name === "src" || name === "title" ? value.length : 0));
  return Math.floor(lengths.reduce((sum, length) => sum + length, 0) / 16);
}

function asWritten(state: StateCore, content: string): Token[] {
  return content.split("\n").flatMap((line, index) => {
    const text = new state.Token("text", "", 0);
    text.content = line;
    return index > 0 ? [new state.Token("softbreak", "br", 0), text] : [text];
  });
}
