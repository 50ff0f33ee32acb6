"""Pages of the web, read from a real server into text."""

from pathlib import Path

import pytest
from aiohttp import web

from tests.tools.calling import call
from tests.tools.net.connects import watched_connects
from tests.tools.net.servers import Handler, serving
from tools.builtin.fetch_page import decoded
from tools.context import ToolContext
from tools.net.client import Answer

ARTICLE = """<!doctype html><html lang="en"><head><title>Harbour bridge reopens</title><script>var tracked = 1;</script>
</head><body><nav><ul><li><a href="/">Home</a></li><li><a href="/login">Sign in</a></li></ul></nav><main><article>
<h1>Harbour bridge reopens</h1><p>The harbour bridge carried its first cars on Monday, nine months after a crack in a
bearing had closed it. The repair cost 4.2 million, a third less than planned.</p><h2>What was repaired</h2>
<ul><li>two bearings on the north side</li><li>the drainage</li></ul><p>Trams will follow in the spring, the city said.
Until then the number 7 turns round at the fish market, as it has done since February.</p>
<table><tr><th>Year</th><th>Cars a day</th></tr><tr><td>2025</td><td>19,500</td></tr></table></article></main>
<footer>All rights reserved.</footer></body></html>"""


def page(body: str | bytes, kind: str = "text/html; charset=utf-8", status: int = 200) -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        raw = body if isinstance(body, bytes) else body.encode()
        return web.Response(body=raw, status=status, headers={"Content-Type": kind})

    return answer


@pytest.fixture(autouse=True)
def _this_machine_is_allowed(settings):
    settings.TOOLS_ALLOWED_HOSTS = ["127.0.0.1"]


async def fetched(handler: Handler, context: ToolContext | None = None):
    async with serving(handler) as server:
        return await call("fetch_page", context, url=f"http://127.0.0.1:{server.port}/news")


async def test_an_article_is_read_without_what_stands_around_it():
    outcome = await fetched(page(ARTICLE))

    assert outcome.text.startswith("Title: Harbour bridge reopens\nAddress: http://127.0.0.1:")
    assert "- two bearings on the north side" in outcome.text
    assert "| 2025 | 19,500 |" in outcome.text
    assert "Sign in" not in outcome.text
    assert "tracked" not in outcome.text


async def test_a_page_that_is_no_article_is_read_whole():
    outcome = await fetched(
        page("<title>Start</title><ul><li><a href=a>Docs</a><li><a href=b>Download</a></ul>")
    )

    assert "Docs" in outcome.text
    assert "Download" in outcome.text


async def test_text_and_json_are_given_as_they_are():
    assert (await fetched(page('{"a": [1]}', "application/json"))).text.endswith('\n\n{"a": [1]}')


async def test_a_page_is_read_once():
    asked = []

    async def counted(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(text="hello")

    context = ToolContext()
    async with serving(counted) as server:
        for _ in range(2):
            await call("fetch_page", context, url=f"http://127.0.0.1:{server.port}/")

    assert len(asked) == 1


@pytest.mark.parametrize(
    ("handler", "kind", "said"),
    [
        (page("no", status=404), "failed", "status 404"),
        (page("no", status=503), "unavailable", "status 503"),
        (page(b"%PDF-1.7", "application/pdf"), "failed", "application/pdf"),
        (page("<html><body><div id=app></div></body></html>"), "failed", "no text"),
        (page("x" * 3_000_001), "failed", "larger than 3,000 kB"),
    ],
)
async def test_what_cannot_be_read_is_said_in_words(handler: Handler, kind: str, said: str):
    outcome = await fetched(handler)

    assert (outcome.kind, said in outcome.text) == (kind, True)


async def test_a_page_made_to_break_parsers_breaks_nothing(monkeypatch: pytest.MonkeyPatch):
    # Attributes by the hundred thousand take its parser minutes.
    monkeypatch.setattr("tools.builtin.fetch_page.READ_SECONDS", 1.0)
    outcome = await fetched(
        page("<div " + " ".join(f"a{number}=1" for number in range(200_000)) + ">x</div>")
    )

    assert outcome.kind == "failed"
    assert "too large or too odd" in outcome.text


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/meta-data/", "http://[::1]/", "file:///etc/passwd"]
)
async def test_our_own_network_is_not_the_web(url: str):
    with watched_connects() as connects:
        outcome = await call("fetch_page", url=url)

    assert outcome.kind == "failed"
    assert connects == []


async def test_the_reader_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SECRET_KEY", "canary-in-the-environment")
    seen = tmp_path / "environment"
    spy = tmp_path / "spy.py"
    spy.write_text(
        f"import os, pathlib\npathlib.Path({str(seen)!r}).write_text(repr(dict(os.environ)))\nprint('{{}}')"
    )
    monkeypatch.setattr("tools.builtin.fetch_page._PROGRAM", spy)

    await fetched(page(ARTICLE))

    assert "PATH" in seen.read_text()
    assert "canary" not in seen.read_text()


@pytest.mark.parametrize(
    ("body", "header", "text"),
    [
        ("ä".encode(), "text/html", "ä"),
        ("ä".encode("latin-1"), "text/html; charset=ISO-8859-1", "ä"),
        ("€".encode("cp1252"), "text/html; charset=latin-1", "€"),
        ("日本".encode("shift_jis"), 'text/html; charset="Shift_JIS"', "日本"),
        (
            b"<meta charset=windows-1251>" + "да".encode("cp1251"),
            "text/html",
            "<meta charset=windows-1251>да",
        ),
        ("ä".encode("utf-16"), "text/html; charset=utf-8", "ä"),
        (b"\xef\xbb\xbfa", "text/html; charset=latin-1", "a"),
        (b"a\xff", "text/html; charset=no-such", "a\ufffd"),
        (b"a\xff", "text/html; charset=base64", "a\ufffd"),
    ],
)
def test_a_page_is_decoded_as_it_says(body: bytes, header: str, text: str):
    assert decoded(Answer(200, {"content-type": header}, body, "")) == text
