"""The demo upstream as an HTTP server, written on aiohttp.

Used embedded (the app's own demo provider reaches it over real HTTP), alone (`manage.py demo_upstream`)
and in tests.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from chat.demo.playbook import MODELS, play_for
from chat.demo.player import JSON_HEADERS, Player, due_steps
from chat.demo.script import BadRequest, Refuse
from chat.demo.stats import Stats
from chat.demo.writers import WRITERS, Writer

MAX_BODY_BYTES = 64 * 2**20
BACKLOG = 1024
SHUTDOWN_SECONDS = 0.1

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DemoServer:
    """A running demo upstream. `base_url` ends in `/v1`; `stats` is live, also at `GET /stats`."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, stats: Stats) -> None:
        self._runner = runner
        self.port = port
        self.base_url = f"http://{host}:{port}/v1"
        self.stats = stats

    async def close(self) -> None:
        """Ends at once; open calls are cut."""
        await self._runner.cleanup()


async def start_demo_upstream(host: str = "127.0.0.1", port: int = 0) -> DemoServer:
    """Serves on the running loop. Port 0 takes a free one. Raises `OSError` where it cannot listen."""
    stats = Stats()
    # Without handler_cancellation aiohttp tells a handler of a lost client only at its next write.
    runner = web.AppRunner(
        demo_application(stats),
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


def demo_application(stats: Stats) -> web.Application:
    async def show_models(_: web.Request) -> web.Response:
        models = [{"id": name, "object": "model", "created": 1, "owned_by": "demo"} for name in MODELS]
        return _json({"object": "list", "data": models})

    async def show_stats(_: web.Request) -> web.Response:
        return _json(stats.as_json())

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/v1/models", show_models)
    app.router.add_get("/stats", show_stats)
    for writer in WRITERS:
        app.router.add_post("/v1" + writer.path, _counted(stats, _answering(writer, stats)))
    return app


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


def _answering(writer: Writer, stats: Stats) -> Handler:
    async def handle(http: web.Request) -> web.StreamResponse:
        arrived_at = asyncio.get_running_loop().time()
        try:
            request = writer.read(msgspec.json.decode(await http.read()))
        except msgspec.DecodeError as error:
            return _refused(writer, Refuse(400, f"The body is not JSON: {error}."))
        except BadRequest as error:
            return _refused(writer, Refuse(400, str(error)))
        script = play_for(request)
        if isinstance(script, Refuse):
            return _refused(writer, script)
        steps = due_steps(script, request.max_output_tokens, arrived_at)
        player = Player(http, writer, request, stats)
        return await (player.stream(steps) if request.stream else player.whole(steps))

    return handle


def _refused(writer: Writer, refusal: Refuse) -> web.Response:
    body = writer.error(refusal.status, refusal.message)
    return web.Response(status=refusal.status, body=body, headers={**JSON_HEADERS, **refusal.headers})


def _json(facts: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(facts), headers=JSON_HEADERS)
