"""`manage.py demo_upstream`: serves the demo upstream alone, for tests and benchmarks."""

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.demo import start_demo_upstream


class Command(BaseCommand):
    help = (
        "Serves the scripted demo upstream (Chat Completions, Responses, Messages) until it is told to stop."
    )
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument(
            "--port", type=int, default=8090, help="0 takes a free one (default: %(default)s)"
        )

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        try:
            asyncio.run(self._serve(host, port))
        except OSError as error:
            raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error

    async def _serve(self, host: str, port: int) -> None:
        told_to_stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, told_to_stop.set)
        server = await start_demo_upstream(host, port)
        self.stdout.write(f"demo upstream on {server.base_url}")
        self.stdout.flush()
        try:
            await told_to_stop.wait()
        finally:
            await server.close()
