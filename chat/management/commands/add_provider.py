"""Adds a provider and its models, or changes what differs."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chat.actions.providers import ProviderSpec, add_provider, read_price
from chat.exceptions import ChatError


class Command(BaseCommand):
    help = "Adds or updates a provider and its models; running it twice changes nothing more."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the part before the / in provider/model")
        parser.add_argument(
            "--dialect",
            default="openai_chat",
            help="the wire protocol: openai_chat, openai_responses or anthropic_messages",
        )
        parser.add_argument(
            "--base-url", required=True, help="ends before /chat/completions; demo: is built in"
        )
        parser.add_argument(
            "--key-env", default="", metavar="VAR", help="the variable that holds the API key"
        )
        parser.add_argument(
            "--model",
            nargs="+",
            action="extend",
            default=[],
            metavar="M",
            dest="models",
            help="its models' names",
        )
        parser.add_argument(
            "--price",
            nargs="+",
            action="extend",
            default=[],
            metavar="M=IN/OUT",
            dest="prices",
            help="per million tokens; the vendor's list price where it is known and you say none",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            spec = ProviderSpec(
                name=options["name"],
                dialect=options["dialect"],
                base_url=options["base_url"],
                key_env=options["key_env"],
                models=tuple(options["models"]),
                prices=dict(read_price(text, settings.CURRENCY) for text in options["prices"]),
            )
            said = add_provider(spec)
        except ChatError as error:
            raise CommandError(str(error)) from None
        for line in said:
            self.stdout.write(line)
