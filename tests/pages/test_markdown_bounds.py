"""No text can hold up the page: cost grows with length at most, and is bounded. tests/frontend/bounds.test.ts does the
same in the browser's code."""

import gc
import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chat.pages.markdown import KEEP_CHARACTERS, render_markdown

TEXTS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "markdown_bounds" / "texts.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text["name"])
def test_beyond_the_bounds_the_server_renders_what_the_browser_renders(text: dict[str, Any]) -> None:
    html = render_markdown("".join(piece * times for piece, times in text["pieces"]))
    spelling = html.replace("&quot;", '"').replace("\u00a0", "&nbsp;")
    assert hashlib.sha256(spelling.encode()).hexdigest() == text["sha256"]


def _again(piece: str) -> Callable[[int], str]:
    return lambda length: (piece * (length // len(piece) + 1))[:length]


def _growing_ticks(length: int) -> str:
    return "".join("`" * run + "a" for run in range(1, int((2 * length) ** 0.5)))


HOSTILE: dict[str, Callable[[int], str]] = {
    piece: _again(piece)
    for piece in (
        *("http://a", "http://a.b/(", "http://a.b ", "://", "mailto:a@b.c ", "//a.b "),
        *("![", "[", "[a](", "[a\n", "![](", "[a](b", "[[a](b)", "<", "<a:", "&", "&amp;", "\\"),
        *("*a_", "*a **b ", "~~*_", "`", ">", "- ", "1. ", "- > ", "|", "|a|b|\n", "a\n", "a\n\n", "- a\n\n"),
        *("[a]: b\n", "```\n", "- ```\n  ", " ", "\n", "a", "\U0001f600"),
    )
} | {
    "growing ticks": _growing_ticks,
    "brackets that end in a link": lambda length: _again("[" * 200 + "](x)\n\n")(length),
    "pictures in pictures": lambda length: _again("![" * 100 + "a" + "](x)" * 100 + "\n\n")(length),
    "emphasis in emphasis": lambda length: "*a " * (length // 6) + " a*" * (length // 6),
    "lists in lists": lambda length: _again("".join("  " * depth + "- a\n" for depth in range(30)))(length),
    "lazy lines under quotes": lambda length: ">" * 45 + "a\n" + _again("b\n")(length),
    "wide rows": lambda length: "|a" * 100 + "\n" + "|-" * 100 + "\n" + _again("b\n")(length),
    "one reference, often": lambda length: f"[a]: http://{'b' * length}\n\n" + _again("[a] ")(length),
    "spaces before a letter": lambda length: " " * length + "a",
}


def _cost_seconds(source: str) -> float:
    assert len(source) > KEEP_CHARACTERS  # shorter texts are kept, and cost nothing the second time
    gc.disable()  # a full collection of a test process costs more than most of these texts
    began = time.process_time()
    try:
        render_markdown(source)
        return time.process_time() - began
    finally:
        gc.enable()


@pytest.mark.parametrize("name", HOSTILE)
def test_four_times_the_text_costs_far_less_than_sixteen_times_as_much(name: str) -> None:
    once, fourfold = HOSTILE[name](KEEP_CHARACTERS + 2_000), HOSTILE[name](4 * KEEP_CHARACTERS + 8_000)
    attempts = ((_cost_seconds(once), _cost_seconds(fourfold)) for _ in range(4))  # the machine may hiccup
    assert any(cost_of_four <= 9 * cost_of_one + 0.1 for cost_of_one, cost_of_four in attempts)


@pytest.mark.parametrize(
    "name",
    [
        "http://a",
        "http://a.b/(",
        "![",
        "*a_",
        "- > ",
        "a\n\n",
        "pictures in pictures",
        "lazy lines under quotes",
        "wide rows",
    ],
)
def test_a_megabyte_costs_seconds_at_the_worst(name: str) -> None:
    assert _cost_seconds(HOSTILE[name](1_000_000)) < 10


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words += data.split()


@pytest.mark.parametrize(
    "filler", ["- a\n" * 20_000, ">" * 6_000 + "a\n", ">" * 60 + "a\n", "*b* " * 100_000]
)
def test_nothing_is_lost_beyond_the_bounds(filler: str) -> None:
    words = _Words()
    words.feed(render_markdown(f"first\n\n{filler}\n\nlast <b>word</b>"))
    assert words.words[0] == "first"
    assert words.words[-2:] == ["last", "<b>word</b>"]


def test_what_is_shown_as_written_is_escaped() -> None:
    html = render_markdown(">" * 60 + "\n<script>alert(1)</script>")
    assert "&lt;script&gt;" in html
    assert "<script" not in html


@pytest.mark.parametrize(
    "source", ["![" * 150 + "a" + "](x)" * 150, "[" * 220 + "](x)", "- " * 24 + "a", ">" * 48 + "a"]
)
def test_nesting_leaves_room_on_the_stack(source: str) -> None:
    failures: list[BaseException] = []

    def render() -> None:
        try:
            render_markdown(source)
        except RecursionError as error:
            failures.append(error)

    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(700)  # some 300 frames less than a page has
    try:
        thread = threading.Thread(target=render)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(usual)
    assert not failures
