"""From the command line to a running server: prepare, start the worker, serve, end."""

import asyncio
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn, cast

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string

from project.broker import IN_MEMORY
from project.servers import listening, memory
from project.servers.base import LaunchRefused, Lifecycle, Serving
from project.servers.ending import leave
from project.servers.preparation import hold_data_folder, prepare
from project.stack.env_file import is_running, stack_folder
from project.worker.embedded import EmbeddedWorker

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """What the command line asked for."""

    server: str = "daphne"
    host: str = "127.0.0.1"
    port: int = 8000
    worker: bool = True
    setup_link: bool = True


def launch(wish: Wish, say: Say) -> NoReturn:
    """Serves until a signal comes, then ends the process. Raises `LaunchRefused` when it cannot start."""
    # WhiteNoise hands files to Django piece by piece; Django reads them in a thread, which is what is wanted.
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
    listener = listening.bind(wish.host, wish.port)
    here = listening.base_url(wish.host, listener)
    if wish.setup_link and is_running(stack_folder(settings.DATA_DIR)):
        # Its own processes make no links. Another one would join it unasked, and make its link useless.
        raise LaunchRefused(
            f"A stack runs on DATA_DIR {settings.DATA_DIR}. Stop it, or give this server a folder of its own."
        )
    hold_data_folder()
    prepare(say)
    # Also for the worker inside: servers of webhook tools are told where to call back.
    settings.PUBLIC_URL = settings.PUBLIC_URL or here
    _greet(settings.PUBLIC_URL if wish.setup_link else None, say)
    worker = _worker() if wish.worker else None
    if worker is None and settings.CELERY_BROKER_URL == IN_MEMORY:
        say(
            "Warning: with --no-worker and without REDIS_URL (or BROKER_URL) nobody runs tasks: "
            "nothing is cleared away, and tools and webhooks do not work."
        )
    run = _server(wish.server)
    serving = Serving(
        application=import_string(settings.ASGI_APPLICATION),
        listener=listener,
        lifecycle=WithWorker(cast(Lifecycle, import_module(_lifecycle())), worker, say),
        on_ready=lambda: say(f"{settings.SITE_NAME} is ready at {here}"),
        drain_seconds=settings.DRAIN_SECONDS,
    )
    try:
        run(serving)
    except (LaunchRefused, ImproperlyConfigured) as error:
        raise LaunchRefused(str(error)) from None
    say("Stopped.")
    leave(0)


def _server(name: str) -> Callable[[Serving], None]:
    # Each is imported only when it is meant: daphne wants its reactor first.
    if name == "uvicorn":
        from project.servers import uvicorn_server

        return uvicorn_server.run
    from project.servers import reactor

    reactor.install()
    from project.servers import daphne_server

    return daphne_server.run


def _lifecycle() -> str:
    """A module with the two coroutines of `Lifecycle`."""
    return getattr(settings, "SERVER_LIFECYCLE", "chat.wiring")


def _worker() -> EmbeddedWorker:
    from project.celery import app

    return EmbeddedWorker(app)


def _greet(address: str | None, say: Say) -> None:
    """With no user yet: makes the administrator of the environment, or says where the first one is made.

    Without an address nothing is said: of several processes each would make the link of the one before useless.
    """
    if not apps.is_installed("chat"):
        return
    from chat.actions import accounts, providers
    from chat.exceptions import InvalidRequest

    providers.prepare_first_start()
    try:
        administrator = accounts.create_superuser_from_environment()
    except InvalidRequest as error:
        raise LaunchRefused(str(error)) from None
    if administrator:
        say(f"Made the administrator {administrator.get_username()}.")
    if address and (link := accounts.setup_link(address)):
        say(f"No user yet. Make the first administrator here (the link works once): {link}")
    # This thread asks nothing more of the database.
    connections.close_all()


class WithWorker:
    """A lifecycle that starts the embedded worker before the application and stops it after."""

    def __init__(self, lifecycle: Lifecycle, worker: EmbeddedWorker | None, say: Say) -> None:
        self._say = say
        self._lifecycle = lifecycle
        self._worker = worker

    async def startup(self) -> None:
        if self._worker is not None:
            await asyncio.to_thread(self._worker.start)
        await self._lifecycle.startup()
        memory.settle()

    async def shutdown(self, grace_seconds: float) -> None:
        self._say(f"Stopping; running answers have {grace_seconds:g} s. Once more ends it at once.")
        try:
            await self._lifecycle.shutdown(grace_seconds)
        finally:
            if self._worker is not None:
                # Over Redis it hears within a second that nothing came; what did come it gives back.
                await asyncio.to_thread(self._worker.stop, timeout_seconds=1.2)
