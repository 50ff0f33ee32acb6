import random
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from django.utils import timezone

from chat.models import WebhookDelivery, WebhookEndpoint
from chat.webhooks.claims import ClaimRules
from chat.webhooks.courier import Courier, CourierRules
from chat.webhooks.delivery import Post
from tests.factories import WebhookDeliveryFactory, WebhookEndpointFactory
from tests.fakes.receiver import Receiver, receiver
from tools.net.policy import Policy

RULES = ClaimRules(lease_seconds=60, at_once=4)


LOOPBACK = Policy.of(["127.0.0.0/8"])
"""Staff let us go to the receivers of these tests."""


async def to_loopback(_host: str, _port: int) -> Sequence[str]:
    """A name service that knows one address."""
    return ["127.0.0.1"]


@pytest.fixture
def rude() -> Iterator[Receiver]:
    with receiver() as fake:
        yield fake


@pytest.fixture
def calls() -> list[str]:
    """How often another sender was called."""
    return []


@pytest.fixture
def hire(calls: list[str]) -> Callable[..., Courier]:
    def hire(**more) -> Courier:
        rules = CourierRules(
            claim=more.pop("claim", RULES),
            failing_days=more.pop("failing_days", 5),
            senders=more.pop("senders", 4),
            turn_seconds=more.pop("turn_seconds", 60),
        )
        return Courier(
            Post(LOOPBACK, resolve=to_loopback, seconds=more.pop("seconds", 5)),
            rules,
            clock=more.pop("clock", time.monotonic),
            now=more.pop("now", timezone.now),
            uniform=more.pop("uniform", random.uniform),
            more=lambda: calls.append("more"),
        )

    return hire


@pytest.fixture
def courier(hire: Callable[..., Courier]) -> Courier:
    return hire()


@pytest.fixture
def endpoint(rude: Receiver) -> WebhookEndpoint:
    return WebhookEndpointFactory.create(url=rude.url)


@pytest.fixture
def delivery(endpoint: WebhookEndpoint) -> WebhookDelivery:
    return WebhookDeliveryFactory.create(endpoint=endpoint)
