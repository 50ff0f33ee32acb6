"""Plays a script to one client: steps when they are due, written by the protocol's writer."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from chat.demo.script import Cut, DemoRequest, Finish, Garbage, Hang, Say, Script, Step, Think
from chat.demo.stats import Stats
from chat.demo.writers import Writer

UNPACED_BATCH = 16
GARBAGE_PAGE = b"<html><body>502 Bad Gateway</body></html>"
JSON_HEADERS = {"Content-Type": "application/json"}
STREAM_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}


async def due_steps(script: Script, limit: int | None, arrived_at: float) -> AsyncIterator[Step | Finish]:
    """Each step at its time after `arrived_at` (the loop's clock), then a `Finish`.

    Times are absolute: a late step does not push later ones back. Without a pace the loop gets a turn now
    and then, so that a client that leaves is noticed.
    """
    clock = asyncio.get_running_loop().time
    index = 0
    for step in script.steps:
        if isinstance(step, Say | Think):
            if index == limit:
                yield Finish("length")
                return
            wait_seconds = arrived_at + script.pace.due_seconds(index) - clock()
            if wait_seconds > 0:
                await asyncio.sleep(wait_seconds)
            elif index % UNPACED_BATCH == 0:
                await asyncio.sleep(0)
            index += 1
        yield step
    yield Finish("stop")


class Player:
    def __init__(self, http: web.Request, writer: Writer, request: DemoRequest, stats: Stats) -> None:
        self._http = http
        self._writer = writer
        self._request = request
        self._stats = stats

    async def stream(self, steps: AsyncIterator[Step | Finish]) -> web.StreamResponse:
        response = web.StreamResponse(headers=STREAM_HEADERS)
        await response.prepare(self._http)
        out = self._writer.stream(self._request)
        await response.write(out.opening())
        async for step in steps:
            match step:
                case Say() | Think():
                    self._stats.deltas += 1
                    await response.write(out.delta(step))
                case Garbage():
                    await response.write(out.garbage())
                case Hang():
                    await _silence()
                case Cut():
                    self._break_the_line()
                    return response
                case Finish(reason):
                    await response.write(out.ending(reason))
        return response

    async def whole(self, steps: AsyncIterator[Step | Finish]) -> web.StreamResponse:
        said: list[Say | Think] = []
        async for step in steps:
            match step:
                case Say() | Think():
                    self._stats.deltas += 1
                    said.append(step)
                case Garbage():
                    return web.Response(body=GARBAGE_PAGE, headers=JSON_HEADERS)
                case Hang():
                    await _silence()
                case Cut():
                    return await self._half(said)
                case Finish(reason):
                    body = self._writer.whole(self._request, said, reason)
                    return web.Response(body=body, headers=JSON_HEADERS)
        raise AssertionError("a script ends in a Finish")

    async def _half(self, said: list[Say | Think]) -> web.StreamResponse:
        body = self._writer.whole(self._request, said, "stop")
        response = web.StreamResponse(headers={**JSON_HEADERS, "Content-Length": str(len(body))})
        await response.prepare(self._http)
        await response.write(body[: len(body) // 2])
        self._break_the_line()
        return response

    def _break_the_line(self) -> None:
        if self._http.transport is not None:
            self._http.transport.abort()


async def _silence() -> None:
    await asyncio.Event().wait()
