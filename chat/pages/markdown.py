"""Markdown to safe HTML on the server, by the same rules as the browser's (chat/frontend/src/markdown/engine.ts).

tests/fixtures/markdown holds both to one output, so that an answer that has streamed in looks the same after a reload.
No raw HTML, no pictures from elsewhere (a link instead), links to the web and to mail only, no style attributes.
"""

import re
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml, unescapeAll
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from chat.pages.markdown_bounds import (
    MAX_NESTING,
    affordable_end,
    line_start,
    normalized,
    parse_inline,
    stop_at_nesting,
)
from chat.pages.markdown_links import bare_link, literal_bracket

_WEB = re.compile(r"(?:https?:|mailto:)", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]+")
_REL = "noopener noreferrer nofollow"
_ALIGNED = {"text-align:right": "n", "text-align:center": "mid"}

_TAGS = {
    "a", "blockquote", "br", "code", "div", "em", "figcaption", "figure", "h3", "h4", "h5", "h6", "hr", "li", "ol",
    "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title", "rel", "target"},
    "code": {"class"},
    "div": {"class", "tabindex"},
    "figcaption": {"class"},
    "figure": {"class"},
    "ol": {"start"},
    "pre": {"tabindex"},
    "table": {"class"},
    "td": {"class"},
    "th": {"class", "scope"},
}


def _is_web(url: str) -> bool:
    return _WEB.match(url) is not None


def _lead_out(token: Token) -> None:
    token.attrSet("rel", _REL)
    token.attrSet("target", "_blank")


def _picture_as_link(image: Token, inside_link: bool) -> list[Token]:
    source = str(image.attrGet("src") or "")
    is_web = _is_web(source)
    text = Token("text", "", 0, content=image.content or (source if is_web else ""))
    if inside_link or not is_web:
        return [text]
    opening = Token("link_open", "a", 1, attrs={"href": source})
    _lead_out(opening)
    return [opening, text, Token("link_close", "a", -1)]


def _tame_children(children: Sequence[Token]) -> list[Token]:
    out: list[Token] = []
    links: list[Token] = []
    for token in children:
        if token.type == "image":
            out.extend(_picture_as_link(token, bool(links)))
            continue
        if token.type == "link_open":
            if _is_web(str(token.attrGet("href") or "")):
                _lead_out(token)
            else:
                token.hidden = True
            links.append(token)
        elif token.type == "link_close":
            token.hidden = links.pop().hidden if links else False
        out.append(token)
    return out


def _tame_links(state: StateCore) -> None:
    """Links lead out and say so; those that lead elsewhere, and pictures, become words."""
    for block in state.tokens:
        if block.type == "inline" and block.children:
            block.children = _tame_children(block.children)


def _tame_blocks(state: StateCore) -> None:
    """Headings step below the turn's own; cells are aligned by class, since the CSP forbids style attributes."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + 2)}"
        elif token.type in ("th_open", "td_open"):
            aligned = _ALIGNED.get(str(token.attrGet("style") or ""))
            token.attrs = {"scope": "col"} if token.type == "th_open" else {}
            if aligned:
                token.attrSet("class", aligned)


_FIGURE = (
    '<figure class="code"><figcaption class="code-head"><span>{language}</span></figcaption>'
    '<pre tabindex="0"><code{css_class}>{code}</code></pre></figure>\n'
)


def _code_figure(content: str, info: str) -> str:
    found = _LANGUAGE.match(unescapeAll(info).strip())
    language = escapeHtml(found.group().lower()) if found else ""
    css_class = f' class="language-{language}"' if language else ""
    return _FIGURE.format(language=language or "text", css_class=css_class, code=escapeHtml(content))


_Env = MutableMapping[str, Any]


def _fence(_: RendererHTML, tokens: Sequence[Token], index: int, __: OptionsDict, ___: _Env) -> str:
    return _code_figure(tokens[index].content, tokens[index].info)


def _indented(_: RendererHTML, tokens: Sequence[Token], index: int, __: OptionsDict, ___: _Env) -> str:
    return _code_figure(tokens[index].content, "")


def _table_open(_: RendererHTML, __: Sequence[Token], ___: int, ____: OptionsDict, _____: _Env) -> str:
    return '<div class="table-wrap" tabindex="0"><table class="table">\n'


def _table_close(_: RendererHTML, __: Sequence[Token], ___: int, ____: OptionsDict, _____: _Env) -> str:
    return "</table></div>\n"


def _create() -> MarkdownIt:
    md = MarkdownIt("default", {"html": False, "breaks": True, "maxNesting": MAX_NESTING})
    if md.linkify is None:  # pragma: no cover
        raise RuntimeError("linkify-it-py is missing: install requirements.txt")
    md.disable("linkify")
    md.inline.ruler.before("newline", "bare_link", bare_link)
    md.inline.ruler.before("link", "literal_bracket", literal_bracket)
    md.core.ruler.after("block", "stop_at_nesting", stop_at_nesting)
    md.core.ruler.at("inline", parse_inline)
    md.core.ruler.push("tame_links", _tame_links)
    md.core.ruler.push("tame_blocks", _tame_blocks)
    md.add_render_rule("fence", _fence)
    md.add_render_rule("code_block", _indented)
    md.add_render_rule("table_open", _table_open)
    md.add_render_rule("table_close", _table_close)
    return md


_md = _create()


KEEP_CHARACTERS = 16_000


def render_markdown(source: str) -> str:
    """Safe HTML for a text part. Stored answers do not change, so the last ones of usual length stay rendered."""
    return _kept(source) if len(source) <= KEEP_CHARACTERS else _rendered(source)


# At most some 60 MB, were all of them as long as may be; a usual answer has 2 kB.
@lru_cache(maxsize=1024)
def _kept(source: str) -> str:
    return _rendered(source)


def _rendered(source: str) -> str:
    text = normalized(source)
    env: dict[str, Any] = {}
    end = affordable_end(text)
    html = _md.render(text[:end], env)
    if "too_deep" in env:
        end = line_start(text, env["too_deep"])
        html = _md.render(text[:end], {})
    return _clean(html) + _source_figure(text[end:])


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )


def _source_figure(rest: str) -> str:
    """What comes after the bounds. It needs no parser to be safe: up to a megabyte of it is escaped and no more."""
    if not rest.strip():
        return ""
    return _FIGURE.format(language="text", css_class="", code=escape(rest, quote=False))
