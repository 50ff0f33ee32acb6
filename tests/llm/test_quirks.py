"""Streams written by hand, one or more for each quirk that providers have (tests/fixtures/quirks/README.md).

Each is decoded whole, byte by byte and cut at random; those that are about the transport come over HTTP.
"""

import gzip
import itertools
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from chat.llm.client import Endpoint, ModelClient
from chat.llm.deltas import (
    CitationDelta,
    Delta,
    ImageDelta,
    ReasoningDelta,
    ServerItem,
    TextDelta,
    ToolCallReady,
    ToolCallStarted,
    UsageReported,
)
from chat.llm.dialects.base import WireRequest
from chat.llm.wrapped_calls import unwrapped
from tests.fakes.upstream import Answering, fake_upstream
from tests.llm import wire

ROOT = Path(__file__).parent.parent / "fixtures" / "quirks"
QUIRKS = range(1, 55)
NOTHING = {"text": "", "reasoning": "", "refusal": "", "tool_calls": [], "usage": None, "error": None}
REPEATED = re.compile(rb"@@(.)\*(\d+)@@")

TABLES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(ROOT.glob("*.json"))
}
CASES = [
    pytest.param(dialect, name, id=f"{dialect}/{name}") for dialect, table in TABLES.items() for name in table
]
OVER_HTTP = [case for case in CASES if "http" in TABLES[str(case.values[0])][str(case.values[1])]]


def body_of(dialect: str, name: str) -> bytes:
    """The bytes of a fixture, with `@@A*200000@@` written out."""
    return REPEATED.sub(lambda found: found[1] * int(found[2]), (ROOT / dialect / name).read_bytes())


def check(dialect: str, name: str, deltas: list[Delta]) -> None:
    expected = TABLES[dialect][name]["expect"]
    wire.check_order(deltas)
    facts = wire.facts(deltas)
    assert facts == NOTHING | {fact: expected[fact] for fact in expected if fact in facts}
    told = _told(deltas)
    for kind in ("opaques", "call_opaques", "server_items", "citations", "images"):
        assert told[kind] == expected.get(kind, []), kind
    for kind in ("order", "ready", "billed_output"):
        assert kind not in expected or told[kind] == expected[kind], kind


def _told(deltas: list[Delta]) -> dict[str, Any]:
    """What is no fact of a replay, but is kept, shown or sent back."""
    ready = [delta for delta in deltas if isinstance(delta, ToolCallReady)]
    return {
        "opaques": [d.opaque for d in deltas if isinstance(d, ReasoningDelta) and d.opaque is not None],
        "call_opaques": [d.opaque for d in ready] if any(d.opaque is not None for d in ready) else [],
        "server_items": [d.raw.get("item") or d.raw["block"] for d in deltas if isinstance(d, ServerItem)],
        "citations": [d.url for d in deltas if isinstance(d, CitationDelta)],
        "images": [[d.media_type, len(d.data)] for d in deltas if isinstance(d, ImageDelta)],
        "ready": [d.id for d in ready],
        "order": _order(deltas),
        "billed_output": next(
            (d.usage.together().output_tokens for d in deltas if isinstance(d, UsageReported)), None
        ),
    }


def _order(deltas: list[Delta]) -> list[str]:
    """`reasoning, opaque, text, call x`: what begins where."""
    found: list[str] = []
    for delta in deltas:
        if isinstance(delta, ReasoningDelta) and delta.opaque is not None:
            found.append("opaque")
        elif isinstance(delta, ToolCallStarted):
            found.append(f"call {delta.id}")
        elif isinstance(delta, TextDelta | ReasoningDelta):
            kind = "text" if isinstance(delta, TextDelta) else "reasoning"
            if found[-1:] != [kind]:
                found.append(kind)
    return found


def test_every_quirk_has_a_fixture():
    covered = {number for table in TABLES.values() for case in table.values() for number in case["quirks"]}
    assert covered == set(QUIRKS)


def test_every_file_stands_in_its_table():
    files = {(path.parent.name, path.name) for path in ROOT.glob("*/*")}
    assert files == {(dialect, name) for dialect, table in TABLES.items() for name in table}


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_whole(dialect: str, name: str):
    check(dialect, name, wire.read(wire.dialect(dialect).decoder(), [body_of(dialect, name)]))


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_byte_by_byte(dialect: str, name: str):
    body = body_of(dialect, name)
    pieces = [body[at : at + 1] for at in range(len(body))]
    check(dialect, name, wire.read(wire.dialect(dialect).decoder(), pieces))


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_cut_anywhere(dialect: str, name: str):
    body, chance = body_of(dialect, name), random.Random(name)  # noqa: S311  (a test's dice)
    for _ in range(20):
        edges = [0, *sorted(chance.choices(range(len(body) + 1), k=chance.randint(1, 12))), len(body)]
        pieces = [body[begin:end] for begin, end in itertools.pairwise(edges)]
        check(dialect, name, wire.read(wire.dialect(dialect).decoder(), pieces))


@pytest.mark.parametrize(("dialect", "name"), OVER_HTTP)
async def test_over_http(dialect: str, name: str):
    http, body = TABLES[dialect][name]["http"], body_of(dialect, name)

    async def play(answer: Answering) -> None:
        headers = {"Content-Type": http.get("content_type", "text/event-stream")}
        if http.get("encoding") == "gzip":
            headers["Content-Encoding"] = "gzip"
            answer.response = web.Response(body=gzip.compress(body), headers=headers)
        else:
            answer.response = web.Response(body=body, headers=headers)

    ask = WireRequest(path="/chat/completions", headers={}, body=b"{}")
    async with fake_upstream() as upstream, ModelClient() as client:
        upstream.play = play
        async with client.call(Endpoint(upstream.base_url), ask, connect_seconds=5) as answer:
            decoder = wire.dialect(dialect).decoder(content_type=answer.content_type)
            chunks = [chunk async for chunk in answer.chunks()]
    check(dialect, name, wire.read(decoder, chunks))


@pytest.mark.parametrize(("dialect", "name"), [c for c in CASES if "28" in str(c.values[1])])
def test_calls_inside_of_a_call(dialect: str, name: str):
    deltas = wire.read(wire.dialect(dialect).decoder(), [body_of(dialect, name)])
    wrapper = next(delta for delta in deltas if isinstance(delta, ToolCallReady))
    calls = [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in unwrapped(wrapper, {"weather"})]
    assert calls == TABLES[dialect][name]["expect"]["unwrapped"]
    assert unwrapped(wrapper, {wrapper.name}) == [wrapper]
