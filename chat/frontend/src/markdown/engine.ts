/** Markdown to HTML, by the same rules as chat/pages/markdown.py; tests/fixtures/markdown holds both to it. */

import MarkdownIt from "markdown-it";
import type { Options } from "markdown-it";
import type StateCore from "markdown-it/lib/rules_core/state_core.mjs";
import type Token from "markdown-it/lib/token.mjs";
import { affordable, lineStart, MAX_NESTING, normalized, parseInline, stopAtNesting, type Env } from "./bounds";
import { bareLink, literalBracket } from "./links";

export type { Env } from "./bounds";

const WEB = /^(?:https?:|mailto:)/i;

function isWeb(url: string | null): boolean {
  return url !== null && WEB.test(url);
}

/** Links lead out and say so; those that lead elsewhere, and pictures, become words. */
function tameLinks(state: StateCore): void {
  for (const block of state.tokens) {
    if (block.type === "inline" && block.children) block.children = tameChildren(state, block.children);
  }
}

function tameChildren(state: StateCore, children: Token[]): Token[] {
  const out: Token[] = [];
  const links: Token[] = [];
  for (const token of children) {
    if (token.type === "link_open") {
      if (isWeb(token.attrGet("href"))) leadOut(token);
      else token.hidden = true;
      links.push(token);
      out.push(token);
    } else if (token.type === "link_close") {
      token.hidden = links.pop()?.hidden ?? false;
      out.push(token);
    } else if (token.type === "image") {
      out.push(...pictureAsLink(state, token, links.length > 0));
    } else {
      out.push(token);
    }
  }
  return out;
}

function leadOut(token: Token): void {
  token.attrSet("rel", "noopener noreferrer nofollow");
  token.attrSet("target", "_blank");
}

function pictureAsLink(state: StateCore, image: Token, insideLink: boolean): Token[] {
  const source = image.attrGet("src");
  const text = new state.Token("text", "", 0);
  text.content = image.content || (isWeb(source) ? (source ?? "") : "");
  if (insideLink || !isWeb(source)) return [text];
  const open = new state.Token("link_open", "a", 1);
  open.attrSet("href", source ?? "");
  leadOut(open);
  return [open, text, new state.Token("link_close", "a", -1)];
}

/** Headings step below the turn's own; table cells are aligned by class, since the CSP forbids style attributes. */
function tameBlocks(state: StateCore): void {
  for (const token of state.tokens) {
    if (token.type === "heading_open" || token.type === "heading_close") {
      token.tag = `h${Math.min(6, Number(token.tag.slice(1)) + 2)}`;
    } else if (token.type === "th_open" || token.type === "td_open") {
      const style = String(token.attrGet("style") ?? "");
      token.attrs = null;
      if (token.type === "th_open") token.attrSet("scope", "col");
      if (style.endsWith("right")) token.attrSet("class", "n");
      else if (style.endsWith("center")) token.attrSet("class", "mid");
    }
  }
}

export function languageOf(info: string): string {
  return /^[\w+#.-]+/.exec(info.trim())?.[0].toLowerCase() ?? "";
}

function codeFigure(md: MarkdownIt, content: string, info: string): string {
  const language = languageOf(md.utils.unescapeAll(info));
  const name = md.utils.escapeHtml(language);
  const code = `<code${language ? ` class="language-${name}"` : ""}>${md.utils.escapeHtml(content)}</code>`;
  const head = `<figcaption class="code-head"><span>${name || "text"}</span></figcaption>`;
  return `<figure class="code">${head}<pre tabindex="0">${code}</pre></figure>\n`;
}

function create(): MarkdownIt {
  const options: Options & { maxNesting: number } = { html: false, breaks: true, maxNesting: MAX_NESTING };
  const md = new MarkdownIt("default", options);
  md.disable("linkify");
  md.inline.ruler.before("newline", "bare_link", bareLink);
  md.inline.ruler.before("link", "literal_bracket", literalBracket);
  md.core.ruler.after("block", "stop_at_nesting", stopAtNesting);
  md.core.ruler.at("inline", parseInline);
  md.core.ruler.push("tame_links", tameLinks);
  md.core.ruler.push("tame_blocks", tameBlocks);
  md.renderer.rules.fence = (tokens, index) => codeFigure(md, tokens[index]!.content, tokens[index]!.info);
  md.renderer.rules.code_block = (tokens, index) => codeFigure(md, tokens[index]!.content, "");
  md.renderer.rules.table_open = () => '<div class="table-wrap" tabindex="0"><table class="table">\n';
  md.renderer.rules.table_close = () => "</table></div>\n";
  return md;
}

const md = create();

/** HTML of a text, or of its next block if `env` is that of the blocks before. */
export function renderMarkdown(source: string, env: Env = {}): string {
  const text = normalized(source);
  let { end, weight } = affordable(text, env.lines);
  let html = md.render(text.slice(0, end), env);
  if (env.tooDeep !== undefined) {
    end = lineStart(text, env.tooDeep);
    delete env.tooDeep;
    html = md.render(text.slice(0, end), { spent: env.spent });
  }
  const rest = text.slice(end);
  env.lines = (env.lines ?? 0) + weight;
  env.isCut ||= rest !== "";
  return rest.trim() ? html + codeFigure(md, rest, "") : html;
}

/** Whether a text rendered block by block with `env` must at its end be rendered whole to be what the server makes of it. */
export function needsWhole(source: string, env: Env): boolean {
  if (env.isCut || Object.keys(env.references ?? {}).length > 0) return true;
  const text = normalized(source);
  return affordable(text).end < text.length;
}

/** Words inside a paragraph, without the paragraph. */
export function renderWords(source: string, env: Env = {}): string {
  return md.renderInline(source, env);
}
