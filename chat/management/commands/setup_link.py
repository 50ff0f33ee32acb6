"""`manage.py setup_link`: the one-time link that makes the first administrator, for sites of several processes."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from chat.actions import accounts


class Command(BaseCommand):
    help = (
        "Prints a link that makes the first administrator, once; links printed before stop working. "
        "Nothing where there is a user already."
    )
    requires_system_checks = []  # noqa: RUF012  (Django's; the processes have run them)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--url",
            default=settings.PUBLIC_URL or "http://127.0.0.1:8000/",
            help="where the site is (PUBLIC_URL)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if link := accounts.setup_link(options["url"]):
            self.stdout.write(link)
