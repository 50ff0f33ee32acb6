"""The demo upstream as an HTTP server, written on aiohttp.

Used embedded (the app's own demo provider reaches it over real HTTP), alone (`manage.py demo_upstream`)
and in tests.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import assert_never

import msgspec
from aiohttp import web

from chat.demo.asking import Attempts
from chat.demo.playbook import MODELS, NATURAL, play_for
from chat.demo.player import JSON_HEADERS, Player, Waits, break_the_line, due_steps
from chat.demo.script import BadRequest, Canned, DemoRequest, HangUp, Pace, Play, Refuse, Script
from chat.demo.stats import Stats
from chat.demo.writers import WRITERS, Writer

MAX_BODY_BYTES = 64 * 2**20
BACKLOG = 1024
SHUTDOWN_SECONDS = 0.1
USUAL_WAITS = Waits()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DemoServer:
    """A running demo upstream. `base_url` ends in `/v1`; `stats` is live, also at `GET /stats`."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, stats: Stats) -> None:
        self._runner = runner
        self.port = port
        self.root_url = f"http://{host}:{port}"
        self.base_url = f"{self.root_url}/v1"
        self.stats = stats

    def base_url_for(self, dialect: str) -> str:
        """Where that protocol's base URL ends: before `/v1` for Anthropic Messages, after it for the others."""
        return self.root_url if dialect == "anthropic_messages" else self.base_url

    async def close(self) -> None:
        """Ends at once; open calls are cut."""
        await self._runner.cleanup()


async def start_demo_upstream(
    host: str = "127.0.0.1", port: int = 0, *, waits: Waits = USUAL_WAITS, pace: Pace = NATURAL
) -> DemoServer:
    """Serves on the running loop. Port 0 takes a free one; `pace` is that of the model `demo`.

    Raises `OSError` where it cannot listen.
    """
    stats = Stats()
    # Without handler_cancellation aiohttp tells a handler of a lost client only at its next write.
    runner = web.AppRunner(
        demo_application(stats, waits, pace),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError:
        await runner.cleanup()
        raise
    shown_host = f"[{host}]" if ":" in host else host
    return DemoServer(runner, shown_host, runner.addresses[0][1], stats)


def demo_application(stats: Stats, waits: Waits, pace: Pace) -> web.Application:
    async def show_stats(_: web.Request) -> web.Response:
        return _json(stats.as_json())

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/v1/models", _show_models)
    app.router.add_get("/stats", show_stats)
    choose = partial(play_for, attempts=Attempts(), natural_pace=pace)
    for writer in WRITERS:
        handler = _answering(writer, stats, choose, waits)
        app.router.add_post("/v1" + writer.path, _counted(stats, handler))
    return app


async def _show_models(http: web.Request) -> web.Response:
    """As OpenAI lists them, or as Anthropic does for who speaks its protocol."""
    if "anthropic-version" in http.headers:
        known = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2024-01-01T00:00:00Z"}
            for name in MODELS
        ]
        return _json({"data": known, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})
    models = [
        {"id": name, "object": "model", "created": 1_704_067_200, "owned_by": "demo"} for name in MODELS
    ]
    return _json({"object": "list", "data": models})


def _counted(stats: Stats, handler: Handler) -> Handler:
    async def handle(http: web.Request) -> web.StreamResponse:
        stats.opened()
        client_left = False
        try:
            return await handler(http)
        except asyncio.CancelledError:
            client_left = True
            raise
        except ConnectionError:
            client_left = True
            return web.Response()  # nobody reads it; raising would log a traceback
        finally:
            stats.closed(by_client=client_left)

    return handle


def _answering(writer: Writer, stats: Stats, choose: Callable[[DemoRequest], Play], waits: Waits) -> Handler:
    async def handle(http: web.Request) -> web.StreamResponse:
        arrived_at = asyncio.get_running_loop().time()
        try:
            request = writer.read(msgspec.json.decode(await http.read()))
        except msgspec.DecodeError as error:
            return _refused(writer, Refuse(400, f"The body is not JSON: {error}."))
        except BadRequest as error:
            return _refused(writer, Refuse(400, str(error)))
        play = choose(request)
        match play:
            case Refuse():
                return _refused(writer, play)
            case Canned(status, content_type, body):
                return web.Response(status=status, body=body, headers={"Content-Type": content_type})
            case HangUp():
                break_the_line(http)
                return web.Response()  # nobody reads it
            case Script(delivery=delivery):
                player = Player(http, writer, request, stats, delivery=delivery, waits=waits)
                return await player.play(due_steps(play, request.max_output_tokens, arrived_at))
            case _:
                assert_never(play)

    return handle


def _refused(writer: Writer, refusal: Refuse) -> web.Response:
    headers = {**writer.headers(), **JSON_HEADERS, **refusal.headers}
    return web.Response(status=refusal.status, body=writer.error(refusal), headers=headers)


def _json(facts: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(facts), headers=JSON_HEADERS)
