"""The small tables of a measured site: people, providers, models with prices, endpoints, tools."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group

from chat.models import LanguageModel, Price, Provider, User, WebhookEndpoint
from chat.usage.pricing import PriceList

PRICES = {
    "openai/gpt-4.1": ("2.00", "8.00", 40),
    "openai/gpt-4.1-mini": ("0.40", "1.60", 20),
    "anthropic/claude-sonnet-4.5": ("3.00", "15.00", 25),
    "google/gemini-2.5-flash": ("0.35", "2.50", 10),
    "deepseek/deepseek-v3.2": ("0.14", "0.42", 5),
}


@dataclass(frozen=True)
class Model:
    name: str
    provider: str
    bare: str
    key: str
    prices: PriceList


@dataclass(frozen=True)
class Person:
    key: str
    pseudonym: str
    endpoint: str | None


@dataclass(frozen=True)
class People:
    users: list[Person]
    models: list[Model]
    model_weights: list[int]

    @classmethod
    def make(cls, count: int, chance: random.Random) -> "People":
        models = [_model(name, *prices[:2]) for name, prices in PRICES.items()]
        return cls(_users(count, chance), models, [prices[2] for prices in PRICES.values()])


def _model(full_name: str, input_price: str, output_price: str) -> Model:
    provider_name, bare = full_name.split("/")
    provider, _ = Provider.objects.get_or_create(
        name=provider_name, defaults={"base_url": "https://api.example.org/v1"}
    )
    model, _ = LanguageModel.objects.get_or_create(provider=provider, name=bare)
    prices = PriceList(Decimal(input_price), Decimal(output_price))
    if not model.prices.exists():
        long_ago = datetime.now(UTC) - timedelta(days=3650)
        Price.objects.create(model=model, input=prices.input, output=prices.output, valid_from=long_ago)
    return Model(full_name, provider_name, bare, model.pk.hex, prices)


def _users(count: int, chance: random.Random) -> list[Person]:
    groups = [Group.objects.get_or_create(name=name)[0] for name in ("research", "sales", "support", "legal")]
    joined = datetime.now(UTC) - timedelta(days=400)
    users = User.objects.bulk_create(
        User(
            username=f"person{number:04}",
            email=f"person{number:04}@example.org",
            password="!",  # nobody signs in as them
            date_joined=joined + timedelta(days=chance.random() * 300),
        )
        for number in range(count)
    )
    for user in users:
        user.groups.add(chance.choice(groups))
    endpoints: dict[Any, WebhookEndpoint] = {}
    for user in users[: count // 4]:
        endpoint = WebhookEndpoint(
            owner=user, url=f"https://hooks.example.org/{user.username}", events=["run.finished"]
        )
        endpoint.set_secret("whsec_of_the_bench")
        endpoint.save()
        endpoints[user.pk] = endpoint
    return [
        Person(
            user.pk.hex,
            user.pseudonym.hex,
            endpoints[user.pk].pk.hex if user.pk in endpoints else None,
        )
        for user in users
    ]
