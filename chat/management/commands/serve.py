"""`manage.py serve`: the site, with everything it needs in this one process."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.module_loading import import_string

# By name, as Django loads ASGI_APPLICATION: the launcher knows this package, not the other way round.
LAUNCHER = "project.servers.launch"


class Command(BaseCommand):
    help = "Migrates, prints where to go, and serves the site until Ctrl+C."
    requires_system_checks = []  # noqa: RUF012  (Django's; the launcher runs them and says it in one line)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--server", choices=["daphne", "uvicorn"], default="daphne")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", default="8000")
        parser.add_argument("--no-worker", action="store_true", help="do not run tasks in this process")
        parser.add_argument(
            "--no-setup-link", action="store_true", help="print no link; see the command setup_link"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        wish = import_string(f"{LAUNCHER}.Wish")
        refused = import_string("project.servers.base.LaunchRefused")
        launch = import_string(f"{LAUNCHER}.launch")
        port_number = import_string("project.servers.listening.port_number")
        try:
            launch(
                wish(
                    server=options["server"],
                    host=options["host"],
                    port=port_number(str(options["port"])),
                    worker=not options["no_worker"],
                    setup_link=not options["no_setup_link"],
                ),
                self._say,
            )
        except refused as error:
            raise SystemExit(str(error)) from None
        except KeyboardInterrupt:
            raise SystemExit(130) from None

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
