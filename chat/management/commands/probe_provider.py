"""Lists what a provider offers and says hello to one of its models."""

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.actions.provider_probe import Hello, listed_models, say_hello
from chat.engine.offers import endpoint_of
from chat.exceptions import ChatError
from chat.llm.redaction import secrets_of
from chat.models import LanguageModel, Provider
from chat.usage.pricing import PriceList


class Command(BaseCommand):
    help = "Lists a provider's models, then one streamed hello: time to first token, price, what is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the provider's name")
        parser.add_argument(
            "--model", default="", metavar="M", help="whom to say hello to; else the first added"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        provider = Provider.objects.filter(name=options["name"]).first()
        if provider is None:
            raise CommandError(f"There is no provider {options['name']!r}.")
        added = list(provider.models.order_by("pk"))
        wrong = self._list(provider, {model.name for model in added})
        named = options["model"]
        model = next((one for one in added if one.enabled and named in ("", one.name)), None)
        if model is None and named:
            model = LanguageModel(provider=provider, name=named)
        if model is None:
            raise CommandError("None of its models is added and enabled; name one with --model.")
        wrong = self._hello(model) or wrong
        if wrong:
            raise CommandError("Something is wrong with this provider.")

    def _list(self, provider: Provider, added: set[str]) -> bool:
        try:
            names = asyncio.run(listed_models(provider))
        except ChatError as error:
            self.stdout.write(f"models: {_what_is_wrong(error, provider)}")
            return True
        self.stdout.write(f"models: {len(names)} (* added)")
        for name in names:
            self.stdout.write(f"  {'*' if name in added else ' '} {name}")
        for name in sorted(added - set(names)):
            self.stdout.write(f"  ! {name} is added, but not listed")
        return False

    def _hello(self, model: LanguageModel) -> bool:
        price = None if model._state.adding else model.price_at()
        try:
            hello = asyncio.run(say_hello(model, PriceList.of(price) if price is not None else None))
        except ChatError as error:
            self.stdout.write(f"hello to {model.full_name}: {_what_is_wrong(error, model.provider)}")
            return True
        self.stdout.write(f"hello to {model.full_name}: {_how_it_went(hello)}")
        return False


def _how_it_went(hello: Hello) -> str:
    first = hello.first_token_seconds
    usage = hello.usage
    said = [
        "nothing shown" if first is None else f"first token after {first * 1000:.0f} ms",
        f"whole after {hello.seconds * 1000:.0f} ms",
        "no usage reported"
        if usage is None
        else f"{usage.input_tokens} tokens in, {usage.output_tokens} out",
        "price unknown" if hello.cost is None else f"{hello.cost:f} {hello.currency}",
    ]
    return ", ".join(said)


def _what_is_wrong(error: ChatError, provider: Provider) -> str:
    try:
        key = provider.read_key()
    except ChatError:
        key = ""
    # Some providers repeat the key they refuse.
    detail = secrets_of(key, endpoint_of(provider)).hide_in(error.detail)
    phase = getattr(error, "phase", "")
    code = f"{error.code} ({phase})" if phase else error.code
    return f"{code}: {error}" + (f" [{detail}]" if detail else "")
