/**
 * Streaming Markdown. Closed blocks are rendered once and settle; only the open block is rendered again, and of a long one
 * only its end. What stands at the end is what the server would render.
 */

import { BlockSplitter, type Block } from "../markdown/blocks";
import { needsWhole, renderMarkdown, type Env } from "../markdown/engine";
import { languageOfText } from "../format";
import { repair } from "../markdown/repair";
import { enhanceCode } from "./code";
import { morphAfter } from "./morph";
import { longBlock, type LongBlock } from "./long-block";
import { toFragment } from "./sanitize";

export class Prose {
  readonly element: HTMLElement;
  private splitter = new BlockSplitter();
  private env: Env = {};
  private source = "";
  private closedHtml = "";
  private settled: ChildNode | null = null;
  private long: LongBlock | null = null;
  private caret: HTMLElement | null = null;
  private ended = false;

  constructor(element?: HTMLElement) {
    this.element = element ?? document.createElement("div");
    this.element.className = "prose";
    this.element.dir = "auto";
  }

  /** Takes the whole text so far; only what is new costs anything. */
  update(source: string, ended: boolean): void {
    if (source === this.source && ended === this.ended) return;
    if (!source.startsWith(this.source) || this.ended) this.reset();
    const added = source.slice(this.source.length);
    this.source = source;
    setLanguage(this.element, source);
    this.ended = ended;
    this.caret?.remove();
    const closed = this.splitter.push(added);
    if (ended) closed.push(...this.splitter.end());
    this.draw(closed);
    if (ended) this.finish();
  }

  /** Shows where the next word will come. */
  showCaret(): void {
    if (this.ended) return;
    this.caret ??= makeCaret();
    const place = lastPlace(this.element);
    if (this.caret.parentNode !== place || place.lastChild !== this.caret) place.append(this.caret);
  }

  hideCaret(): void {
    this.caret?.remove();
  }

  private reset(): void {
    this.caret?.remove();
    this.splitter = new BlockSplitter();
    this.env = {};
    this.source = "";
    this.closedHtml = "";
    this.settled = null;
    this.long = null;
  }

  private draw(closed: Block[]): void {
    const { open, partial } = this.splitter;
    if (closed.length === 0 && this.long?.extend(open, partial)) return;
    this.long = null;
    let html = "";
    for (const block of closed) html += renderMarkdown(block.source, this.env);
    this.closedHtml += html;
    const fragment = toFragment(html);
    const closedCount = fragment.childNodes.length;
    const shown = repair(open?.source ?? "", partial);
    if (shown.trim()) fragment.append(toFragment(renderMarkdown(shown, this.draftEnv())));
    morphAfter(this.element, this.settled, fragment);
    this.settle(closedCount);
    this.long = longBlock(open, partial, this.settled ? this.settled.nextSibling : this.element.firstChild);
  }

  /** The open block may hold half a reference: it must not teach the rest of the text. */
  private draftEnv(): Env {
    return { references: { ...this.env.references } };
  }

  private settle(count: number): void {
    for (let left = count; left > 0; left--) {
      this.settled = this.settled ? this.settled.nextSibling : this.element.firstChild;
      if (this.settled instanceof HTMLElement) enhanceCode(this.settled);
    }
  }

  /** A reference may be defined after its use, a text be too much: then, and only then, the whole is rendered once more. */
  private finish(): void {
    this.caret = null;
    if (!needsWhole(this.source, this.env)) return;
    const whole = renderMarkdown(this.source);
    if (whole === this.closedHtml) return;
    this.element.replaceChildren(toFragment(whole));
    enhanceCode(this.element);
  }
}

/** The beginning decides, so that later words do not change how the first ones stand. */
export function setLanguage(element: HTMLElement, source: string): void {
  const language = languageOfText(source);
  if (element.lang === language) return;
  if (language) element.lang = language;
  else element.removeAttribute("lang");
}

function makeCaret(): HTMLElement {
  const caret = document.createElement("span");
  caret.className = "caret";
  caret.setAttribute("aria-hidden", "true");
  return caret;
}

const INSIDE = new Set([
  "BLOCKQUOTE", "UL", "OL", "LI", "P", "H3", "H4", "H5", "H6", "FIGURE", "PRE", "DIV", "TABLE", "THEAD", "TBODY", "TR", "TH", "TD",
]);

/** The innermost element that holds the last words: a paragraph, an item, a cell, the code. */
function lastPlace(root: HTMLElement): Element {
  let place: Element = root;
  for (;;) {
    const last: Element | null = place.lastElementChild;
    if (!last || !(INSIDE.has(last.nodeName) || last.parentNode?.nodeName === "PRE")) return place;
    place = last;
  }
}
