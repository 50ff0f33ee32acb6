"""`manage.py load_prices`: the vendors' list prices for models that have none, or an older one of the list."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.actions.prices import give_list_prices
from chat.conf import DEMO_URL
from chat.exceptions import InvalidRequest
from chat.models import LanguageModel
from chat.usage.list_prices import bundled, read


class Command(BaseCommand):
    help = (
        "Gives models their vendors' list prices, from now on. What staff have set stays as it is; running it twice "
        "changes nothing more."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--provider", metavar="NAME", help="only its models")
        parser.add_argument(
            "--file", type=Path, help="a list of one's own, of the form of chat/fixtures/prices.json"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        models = LanguageModel.objects.select_related("provider").exclude(provider__base_url=DEMO_URL)
        if options["provider"]:
            models = models.filter(provider__name=options["provider"])
            if not models:
                raise CommandError(f"There is no provider {options['provider']!r} with models.")
        try:
            prices = read(options["file"]) if options["file"] else bundled()
        except InvalidRequest as error:
            raise CommandError(str(error)) from None
        said = give_list_prices(models.order_by("provider__name", "name"), prices)
        for line in said or ["Nothing to change."]:
            self.stdout.write(line)
