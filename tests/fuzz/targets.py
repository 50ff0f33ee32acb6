"""What is fuzzed: each target takes any bytes and raises where a promise is broken.

Inputs are plain bodies; how they are cut follows from their checksum, so that a found one can be kept and looked at as
it is.
"""

import itertools
import json
import random
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

from chat.exceptions import ProviderGarbage
from chat.llm.dialects.registry import DIALECTS
from chat.llm.inflate import STEP_BYTES, Inflater
from chat.llm.replay import replay_answer, replay_error
from chat.llm.sse import Event, SseDecoder, StreamTooLarge
from tests.fuzz.checks import check_answer, check_error, check_text
from tests.llm.wire import comparable, dialect, read

Target = Callable[[bytes], None]
BYTEWISE_SHARE = 0.3
"""It costs as much as all the rest."""
MOST_LINE_BYTES, MOST_STREAM_BYTES = 256, 2048
CONTENT_TYPES = ("", "text/event-stream", "application/json", "text/html; charset=utf-8")


def decoder(name: str, body: bytes) -> None:
    """An answer is the same however its bytes are cut, and holds what `Decoder` promises, also when broken off."""
    dice = _dice(body)
    whole = _read(name, [body], dice.choice(CONTENT_TYPES))
    check_answer(whole, len(body))
    expected = comparable(whole)
    assert comparable(_read(name, _cut(body, dice))) == expected, "cut otherwise it is another answer"
    if dice.random() < BYTEWISE_SHARE:
        assert comparable(_read(name, _bytewise(body))) == expected, "byte by byte it is another answer"
    _check_broken_off(name, body[: dice.randrange(len(body) + 1)])


def _check_broken_off(name: str, body: bytes) -> None:
    reader = dialect(name).decoder()
    deltas = reader.feed(body) + reader.abort("the line broke")
    check_answer(deltas, len(body))
    assert reader.ended
    assert (reader.feed(body), reader.close(), reader.abort()) == ([], [], [])


def sse(body: bytes) -> None:
    """Events are the same however the bytes are cut, and no more is held than the limits allow."""
    dice = _dice(body)
    whole = _events([body])
    for chunks in (_bytewise(body), _cut(body, dice)):
        found = _events(chunks)
        assert bool(found[1]) == bool(whole[1]), (
            f"{found[1] or 'fine'}, but in one piece {whole[1] or 'fine'}"
        )
        # What comes before a limit in the same chunk may be lost with it.
        most = min(len(found[0]), len(whole[0])) if whole[1] else None
        assert found[0][:most] == whole[0][:most], "cut otherwise it is other events"
    assert all(len(payload) <= MOST_LINE_BYTES for _, payload in whole[0])


def read_error(body: bytes) -> None:
    """A refusal of any status, with any headers, becomes an error of ours."""
    dice = _dice(body)
    first, _, rest = body.partition(b"\n")
    words = first.decode("latin-1")
    headers = dict.fromkeys(dice.sample(HEADERS, 2), words)
    status = dice.choice(STATUSES)
    for known in DIALECTS.values():
        check_error(known.read_error(status, {}, body))
        check_error(known.read_error(status, headers, rest))


def replay(body: bytes) -> None:
    """What `replay_stream` prints: facts that are JSON, whatever was recorded."""
    dice = _dice(body)
    for name in DIALECTS:
        facts = replay_answer(dialect(name), _cut(body, dice))
        _check_json(facts)
        assert facts["complete"] or facts["finish_reason"] in (None, "error")
        _check_json(replay_error(dialect(name), dice.choice(STATUSES), body))


def inflate(body: bytes) -> None:
    """A compressed body opens in bounded steps, or is refused."""
    dice = _dice(body)
    opened = Inflater(MOST_STREAM_BYTES * 100, bare=dice.random() < 0.5)
    size = 0
    try:
        for chunk in _cut(body, dice):
            for piece in opened.pieces(chunk):
                assert 0 < len(piece) <= STEP_BYTES
                size += len(piece)
    except ProviderGarbage as error:
        check_error(error)
    assert size <= MOST_STREAM_BYTES * 100


TARGETS: dict[str, Target] = {
    **{name: partial(decoder, name) for name in DIALECTS},
    "sse": sse,
    "read_error": read_error,
    "replay": replay,
    "inflate": inflate,
}
HEADERS = ("retry-after", "retry-after-ms", "date", "x-should-retry", "x-request-id", "content-type")
STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 451, 499, 500, 501, 502, 503, 529, 599)


def _read(name: str, chunks: list[bytes], content_type: str = "") -> list[Any]:
    return read(dialect(name).decoder(content_type=content_type), chunks)


def _events(chunks: list[bytes]) -> tuple[list[Event], str]:
    """What was read, and what ended it."""
    reader = SseDecoder(max_line_bytes=MOST_LINE_BYTES, max_stream_bytes=MOST_STREAM_BYTES)
    found: list[Event] = []
    try:
        for chunk in chunks:
            found += reader.feed(chunk)
            assert len(reader._line) <= MOST_LINE_BYTES, "an unfinished line over its limit"
        last = reader.close()
    except StreamTooLarge as error:
        found += error.events
        return found, str(error)
    return found + ([last] if last else []), ""


def _dice(body: bytes) -> random.Random:
    return random.Random(zlib.crc32(body))  # noqa: S311  (the same for the same bytes)


def _bytewise(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def _cut(body: bytes, dice: random.Random) -> list[bytes]:
    edges = sorted({0, len(body), *(dice.randrange(len(body) + 1) for _ in range(dice.choice((1, 6, 40))))})
    return [body[start:end] for start, end in itertools.pairwise(edges)]


def _check_json(facts: dict[str, Any]) -> None:
    check_text(facts)
    json.dumps(facts, allow_nan=False).encode()
