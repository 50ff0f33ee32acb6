import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chat.pages.markdown import render_markdown


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.links.extend(value or "" for name, value in attrs if name == "href")


FIXTURES = sorted((Path(__file__).parents[1] / "fixtures" / "markdown").glob("*.json"))


def _load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_the_server_renders_what_the_browser_renders(path: Path) -> None:
    fixture = _load(path)
    assert render_markdown(fixture["source"]) == fixture["html"]


def test_there_are_fixtures():
    assert len(FIXTURES) > 20


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "![x](javascript:alert(1))",
        '[x](https://e.org "\\" onclick=alert(1)")',
        '```"><script>alert(1)</script>\n```',
        '<https://e.org/" onmouseover=alert(1)>',
        "| a |\n|:-:|\n| <b style=color:red>x</b> |",
    ],
)
def test_nothing_that_could_run_or_style_gets_through(source: str) -> None:
    reader = _Reader()
    reader.feed(render_markdown(source))
    assert reader.tags <= {
        "p",
        "a",
        "br",
        "figure",
        "figcaption",
        "span",
        "pre",
        "code",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert reader.attributes <= {"href", "title", "rel", "target", "class", "tabindex", "scope"}
    assert all(link.startswith(("https://", "http://", "mailto:")) for link in reader.links)


def test_links_lead_out_without_telling_where_from():
    html = render_markdown("[x](https://example.org)")
    assert 'rel="noopener noreferrer nofollow"' in html
    assert 'target="_blank"' in html
