"""`manage.py create_token USER`: an API token, told this once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from chat.actions.tokens import create_token
from chat.exceptions import InvalidRequest
from chat.models import User
from chat.models.tokens import TokenScope


class Command(BaseCommand):
    help = "Makes an API token and prints it, alone on its line. It is not kept, and cannot be shown again."
    requires_system_checks = []  # noqa: RUF012  (Django's; the processes have run them)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="name of its owner")
        parser.add_argument(
            "--scopes",
            nargs="+",
            metavar="SCOPE",
            help=f"what it may do; all by default: {' '.join(TokenScope.values)}",
        )
        parser.add_argument("--days", type=int, help="after which it expires; never by default")
        parser.add_argument("--name", default="", help="what it is for")

    def handle(self, *_: Any, **options: Any) -> None:
        owner = User.objects.filter(username=options["user"], is_active=True).first()
        if owner is None:
            raise CommandError(f"There is no active user {options['user']}.")
        given = options["scopes"]
        scopes = None if given is None else [one for word in given for one in word.split(",") if one]
        try:
            _token, secret = create_token(
                owner, scopes=scopes, days=options["days"], name=options["name"][:100], now=timezone.now()
            )
        except InvalidRequest as error:
            raise CommandError(str(error)) from None
        self.stdout.write(secret)
