/**
 * A long open block (code, a list, a table, a paragraph without an end) is not rendered anew for each word: its finished
 * items stay and only what comes after them is rendered. When the block closes it is rendered whole, once.
 */

import { type Block } from "../markdown/blocks";
import { renderMarkdown, renderWords } from "../markdown/engine";
import { closeInline, repair } from "../markdown/repair";
import { morphAfter } from "./morph";
import { toFragment } from "./sanitize";

type Open = Block & { mixed: boolean };

/** A line that has not ended is a paragraph until it turns out to be something else. */
const UNENDED: Open = { kind: "paragraph", source: "", starts: [], mixed: false };

/** Below this many characters rendering the whole block is cheaper than thinking about it. */
const LONG = 1500;
const KEEP_OPEN = 2;

/** The way to draw this block by its end, if there is one. `first` is the node that shows it now. */
export function longBlock(block: Open | null, partial: string, first: ChildNode | null): LongBlock | null {
  const open = block ?? UNENDED;
  if (!(first instanceof HTMLElement)) return null;
  if (open.kind === "fence" && first.matches("figure.code") && /^[`~]/.test(open.source)) return new Code(open, partial, first);
  if (open.source.length + partial.length < LONG) return null;
  if (open.kind === "list" && !open.mixed && open.starts.length > KEEP_OPEN * 2) return Items.at(open, first);
  if (open.kind === "table" && open.starts.length > KEEP_OPEN * 2) return Rows.at(open, first);
  if (open.kind === "paragraph" && first.matches("p") && isPlain(open.source + partial)) return new Words(open, first);
  return null;
}

export abstract class LongBlock {
  constructor(protected readonly source: string) {}

  /** Draws what has come; false if this is another block now and all must be drawn the plain way. */
  extend(block: Open | null, partial: string): boolean {
    const open = block ?? UNENDED;
    return open.source.startsWith(this.source) && this.draw(open, partial);
  }

  protected abstract draw(open: Open, partial: string): boolean;
}

const MAYBE_CLOSING = /^ {0,3}(?:`+|~+)[ \t]*$/;

/** Code needs no Markdown: text is appended to the text that stands there. */
class Code extends LongBlock {
  private readonly text: Text;
  private shown: string;

  constructor(open: Open, partial: string, figure: HTMLElement) {
    super(open.source);
    const code = figure.querySelector("code") ?? figure;
    this.shown = Code.content(open, partial);
    this.text = document.createTextNode(this.shown);
    code.replaceChildren(this.text);
  }

  private static content(open: Open, partial: string): string {
    return open.source.slice(open.source.indexOf("\n") + 1) + (MAYBE_CLOSING.test(partial) ? "" : partial);
  }

  protected draw(open: Open, partial: string): boolean {
    const content = Code.content(open, partial);
    if (!content.startsWith(this.shown)) return false;
    this.text.appendData(content.slice(this.shown.length));
    this.shown = content;
    return true;
  }
}

/** Keeps all children up to the `kept`-th item (or row) and draws the rest. */
abstract class Members extends LongBlock {
  private readonly last: ChildNode | null;

  constructor(
    open: Open,
    protected readonly kept: number,
    private readonly parent: Element,
  ) {
    super(open.source.slice(0, open.starts[kept]));
    this.last = parent.children[kept - 1] ?? null;
  }

  protected draw(open: Open, partial: string): boolean {
    if (open.starts.length - this.kept > KEEP_OPEN * 8) return false; // time to keep more
    const members = this.members(open, partial);
    if (!members) return false;
    morphAfter(this.parent, this.last, members);
    return true;
  }

  protected abstract members(open: Open, partial: string): DocumentFragment | null;

  protected from(parent: Element | null, skip: number): DocumentFragment | null {
    if (!parent) return null;
    for (let left = skip; left > 0; left--) parent.firstElementChild?.remove();
    const members = document.createDocumentFragment();
    members.append(...parent.childNodes);
    return members;
  }
}

class Items extends Members {
  static at(open: Open, list: HTMLElement): Items | null {
    const kept = open.starts.length - KEEP_OPEN;
    return list.matches("ul, ol") && list.children.length > kept && open.starts[0] === 0 ? new Items(open, kept, list) : null;
  }

  /** The last kept item comes along to tell whether the list is loose, and goes again. */
  protected members(open: Open, partial: string): DocumentFragment | null {
    const tail = open.source.slice(open.starts[this.kept - 1] ?? 0);
    const fragment = toFragment(renderMarkdown(repair(tail, partial)));
    const list = fragment.firstElementChild;
    if (!list?.matches("ul, ol") || fragment.childElementCount !== 1) return null;
    return this.from(list, 1);
  }
}

class Rows extends Members {
  static at(open: Open, wrap: HTMLElement): Rows | null {
    const body = wrap.querySelector("tbody");
    const kept = open.starts.length - KEEP_OPEN;
    return body && body.children.length > kept && wrap.matches(".table-wrap") ? new Rows(open, kept, body) : null;
  }

  protected members(open: Open, partial: string): DocumentFragment | null {
    const head = open.source.slice(0, open.starts[0]);
    const tail = open.source.slice(open.starts[this.kept] ?? 0);
    return this.from(toFragment(renderMarkdown(repair(head + tail, partial))).querySelector("tbody"), 0);
  }
}

const MARKUP_LINE = /(?:^|\n)[ \t]*(?:[-*+>|#=`~<[:_]|\d+[.)])/;

/** Only a paragraph that is certainly nothing else. */
function isPlain(source: string): boolean {
  return !MARKUP_LINE.test(source) && !source.includes("|");
}

/** Words up to a place where nothing is open stay; the rest is drawn as words. */
class Words extends LongBlock {
  private at = 0;
  private last: ChildNode | null = null;

  constructor(
    open: Open,
    private readonly paragraph: HTMLElement,
  ) {
    super(open.source);
  }

  protected draw(open: Open, partial: string): boolean {
    const whole = open.source + partial;
    const rest = whole.slice(this.at);
    if (!isPlain(rest.slice(-LONG))) return false;
    if (rest.length > LONG) this.keep(rest);
    const tail = whole.slice(this.at);
    const words = toFragment(renderWords(closeInline(tail.trimEnd())));
    morphAfter(this.paragraph, this.last, words);
    return true;
  }

  private keep(rest: string): void {
    const cut = rest.lastIndexOf(" ", rest.length - LONG / 3);
    const done = rest.slice(0, cut);
    if (cut <= 0 || closeInline(done) !== done || done.includes("\n")) return;
    const words = toFragment(renderWords(done));
    morphAfter(this.paragraph, this.last, words);
    this.last = this.paragraph.lastChild;
    this.at += cut;
  }
}
