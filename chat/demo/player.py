"""Plays a script to one client: steps when they are due, written by the protocol's writer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import assert_never

from aiohttp import web

from chat.demo.faults import BAD_GATEWAY_PAGE
from chat.demo.script import (
    NOT_UTF8,
    Arguments,
    Call,
    Complain,
    Cut,
    Decline,
    Delivery,
    DemoRequest,
    Drip,
    Finish,
    Garbage,
    Hang,
    HugeLine,
    Refuse,
    Say,
    Script,
    Spoken,
    Step,
    Stop,
    Think,
)
from chat.demo.stats import Stats
from chat.demo.writers import StreamWriter, Writer
from chat.demo.writers.base import OVERLOADED

UNPACED_BATCH = 16
HUGE_LINE_BLOCKS = 272
HUGE_LINE_BLOCK = b"x" * 65_536
"""Together 17 MB: nobody should read lines over 16 MB."""

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
JSON_HEADERS = {"Content-Type": JSON}

_DELTAS = (Say, Think, Decline, Arguments)
_MARK, _BAD_BYTES = NOT_UTF8.encode(), b"\xc3\x28\xff"


@dataclass(frozen=True)
class Waits:
    """Of the faults that need time."""

    late_head_seconds: float = 180.0
    drip_seconds: float = 1.0


class _CloseDelimited(web.StreamResponse):
    """No length and no chunks: only the end of the connection ends the body."""

    _length_check = False  # as aiohttp's own WebSocketResponse does

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(headers=headers)
        self.force_close()


async def due_steps(script: Script, limit: int | None, arrived_at: float) -> AsyncIterator[Step | Finish]:
    """Each step at its time after `arrived_at` (the loop's clock), then a `Finish`.

    Times are absolute: a late step does not push later ones back. Without a pace the loop gets a turn now
    and then, so that a client that leaves is noticed.
    """
    clock = asyncio.get_running_loop().time
    limit = None if script.delivery.unlimited else limit
    index = 0
    reason = "stop"
    for step in script.steps:
        if isinstance(step, _DELTAS):
            if index == limit:
                yield Finish("length")
                return
            wait_seconds = arrived_at + script.pace.due_seconds(index) - clock()
            if wait_seconds > 0:
                await asyncio.sleep(wait_seconds)
            elif index % UNPACED_BATCH == 0:
                await asyncio.sleep(0)
            index += 1
        if isinstance(step, Call):
            reason = "tool_calls"
        elif isinstance(step, Decline):
            reason = "refusal"
        yield step
    yield Finish(reason)


class Player:
    """`delivery` is the script's; `stats` counts the deltas sent."""

    def __init__(
        self,
        http: web.Request,
        writer: Writer,
        request: DemoRequest,
        stats: Stats,
        *,
        delivery: Delivery,
        waits: Waits,
    ) -> None:
        self._http = http
        self._writer = writer
        self._request = request
        self._stats = stats
        self._delivery = delivery
        self._waits = waits

    async def play(self, steps: AsyncIterator[Step | Finish]) -> web.StreamResponse:
        if self._delivery.late_head:
            await asyncio.sleep(self._waits.late_head_seconds)
        return await (self._stream(steps) if self._request.stream else self._whole(steps))

    # --- streamed ---------------------------------------------------------------------------------

    async def _stream(self, steps: AsyncIterator[Step | Finish]) -> web.StreamResponse:
        response = self._response(JSON if self._delivery.mislabelled else EVENT_STREAM)
        await response.prepare(self._http)
        out = self._writer.stream(self._request)
        if not self._delivery.no_opening:
            await response.write(out.opening())
        async for step in steps:
            match step:
                case Say() | Think() | Decline() | Arguments() | Call():
                    self._stats.deltas += isinstance(step, _DELTAS)
                    await self._write(response, out.step(step))
                case Finish():
                    ending = out.ending(step, twice=self._delivery.finishes_twice)
                    await self._write(response, ending)
                case Cut():
                    break_the_line(self._http)
                    return response
                case Complain():
                    await response.write(out.complaint())
                    return response
                case Stop():
                    return response
                case _:
                    await self._trouble(step, response, out)
        return response

    async def _trouble(
        self,
        step: Hang | Drip | Garbage | HugeLine,
        response: web.StreamResponse,
        out: StreamWriter,
    ) -> None:
        match step:
            case Hang():
                await _silence()
            case Drip():
                await self._drip(response, out.keep_alive())
            case Garbage():
                await response.write(out.garbage())
            case HugeLine():
                for block in _huge_event():
                    await response.write(block)
            case _:
                assert_never(step)

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        if data:
            await response.write(data.replace(_MARK, _BAD_BYTES) if _MARK in data else data)

    # --- in one piece -----------------------------------------------------------------------------

    async def _whole(self, steps: AsyncIterator[Step | Finish]) -> web.StreamResponse:
        said: list[Spoken] = []
        async for step in steps:
            match step:
                case Say() | Think() | Decline() | Arguments() | Call():
                    self._stats.deltas += isinstance(step, _DELTAS)
                    said.append(step)
                case Finish():
                    return await self._body(self._writer.whole(self._request, said, step))
                case Cut() | Stop():
                    return await self._half(said, breaks=isinstance(step, Cut))
                case Hang():
                    await _silence()
                case Drip():
                    response = self._response(JSON)
                    await response.prepare(self._http)
                    await self._drip(response, b" ")
                case Garbage():
                    return await self._body(BAD_GATEWAY_PAGE)
                case Complain():
                    return await self._body(self._writer.error(Refuse(500, OVERLOADED)))
                case HugeLine():
                    return await self._body(b"".join(_huge_event()).removeprefix(b"data: "))
                case _:
                    assert_never(step)
        raise AssertionError("a script ends in a Finish")

    async def _body(self, body: bytes) -> web.StreamResponse:
        kind = EVENT_STREAM if self._delivery.mislabelled else JSON
        headers = {**self._writer.headers(), "Content-Type": kind}
        return web.Response(body=body.replace(_MARK, _BAD_BYTES), headers=headers)

    async def _half(self, said: list[Spoken], *, breaks: bool) -> web.StreamResponse:
        body = self._writer.whole(self._request, said, Finish("stop"))
        response = self._response(JSON)
        if breaks:
            response.content_length = len(body)
        await response.prepare(self._http)
        await response.write(body[: len(body) // 2])
        if breaks:
            break_the_line(self._http)
        return response

    # --- both -------------------------------------------------------------------------------------

    def _response(self, content_type: str) -> web.StreamResponse:
        headers = {**self._writer.headers(), "Content-Type": content_type, "Cache-Control": "no-cache"}
        return (
            _CloseDelimited(headers)
            if self._delivery.close_delimited
            else web.StreamResponse(headers=headers)
        )

    async def _drip(self, response: web.StreamResponse, sign_of_life: bytes) -> None:
        while True:
            await response.write(sign_of_life)
            await asyncio.sleep(self._waits.drip_seconds)


def break_the_line(http: web.Request) -> None:
    if http.transport is not None:
        http.transport.abort()


def _huge_event() -> Iterator[bytes]:
    yield b'data: {"padding":"'
    for _ in range(HUGE_LINE_BLOCKS):
        yield HUGE_LINE_BLOCK
    yield b'"}\n\n'


async def _silence() -> None:
    await asyncio.Event().wait()
