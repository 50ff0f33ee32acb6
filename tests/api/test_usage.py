"""What was used over REST: one's own to everybody, everybody's to who may see it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from chat.models import UsageDay, User
from chat.usage import periods

pytestmark = pytest.mark.django_db

TODAY = datetime.now(UTC).date()


def used(user: User, days_ago: int = 0, **columns: Any) -> None:
    usual = {
        "provider": "lab",
        "model": "one",
        "purpose": "answer",
        "currency": "USD",
        "usage_source": "reported",
        "calls": 1,
        "input_tokens": 100,
        "output_tokens": 10,
        "cost_billionths": 1_500_000,
    }
    UsageDay.objects.create(day=TODAY - timedelta(days=days_ago), pseudonym=user.pseudonym, **usual | columns)


def items(client: Client, **wanted: str) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/usage", wanted)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_ones_own_usage_by_day(signed_in: Client, alice: User):
    used(alice)

    assert signed_in.get("/api/v1/usage").json() == {
        "since": str(TODAY - timedelta(days=29)),
        "until": str(TODAY),
        "items": [
            {
                "day": str(TODAY),
                "provider": None,
                "model": None,
                "user": None,
                "calls": 1,
                "estimated_calls": 0,
                "unknown_calls": 0,
                "unpriced_calls": 0,
                "usage": {
                    "input_tokens": 100,
                    "output_tokens": 10,
                    "cached_tokens": 0,
                    "cache_write_tokens": 0,
                    "reasoning_tokens": 0,
                    "source": "reported",
                },
                "costs": [{"amount": "0.001500000", "currency": "USD", "estimated": "0.000000000"}],
            }
        ],
    }


def test_nobody_elses_is_among_it(signed_in: Client, alice: User, bob: User):
    used(alice)
    used(bob, calls=5)

    [group] = items(signed_in, group_by="user")

    assert group["calls"] == 1
    assert group["user"] == {"pseudonym": str(alice.pseudonym), "username": "alice"}


def test_it_is_grouped_by_several_at_once(signed_in: Client, alice: User):
    used(alice)
    used(alice, model="two")

    groups = items(signed_in, group_by="day,model")

    assert [(one["day"], one["provider"], one["model"]) for one in groups] == [
        (str(TODAY), "lab", "one"),
        (str(TODAY), "lab", "two"),
    ]


def test_a_period_can_be_asked_for(signed_in: Client, alice: User):
    for days_ago in (1, 2, 3):
        used(alice, days_ago)

    groups = items(signed_in, since=str(TODAY - timedelta(days=2)), until=str(TODAY - timedelta(days=1)))

    assert len(groups) == 2


@pytest.mark.parametrize(
    ("more", "source"),
    [((), "reported"), (("estimated",), "estimated"), (("estimated", "unknown"), "unknown")],
)
def test_the_source_is_the_weakest_of_all(signed_in: Client, alice: User, more: tuple[str, ...], source: str):
    for one in ("reported", *more):
        used(alice, usage_source=one)

    assert items(signed_in)[0]["usage"]["source"] == source


def test_who_may_see_the_sums_sees_everybodys(signed_in: Client, alice: User, bob: User):
    alice.user_permissions.add(Permission.objects.get(codename="view_usageday"))
    used(alice)
    used(bob, calls=5)
    gone = bob.pseudonym
    bob.delete()

    groups = items(signed_in, group_by="user", everybody="true")

    assert {one["user"]["pseudonym"]: one["user"]["username"] for one in groups} == {
        str(alice.pseudonym): "alice",
        str(gone): None,
    }
    assert [one["calls"] for one in items(signed_in)] == [1]


def test_who_may_not_does_not(signed_in: Client, bob: User):
    used(bob)

    answer = signed_in.get("/api/v1/usage", {"everybody": "true"})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_nobody_sees_anything_without_signing_in(client: Client, db: None):
    assert client.get("/api/v1/usage").status_code == 401


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"group_by": "colour"}, "group_by"),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "until"),
        ({"since": "yesterday"}, "query.since"),
    ],
)
def test_what_cannot_be_read_is_refused(signed_in: Client, wanted: dict[str, str], field: str):
    answer = signed_in.get("/api/v1/usage", wanted)

    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_more_than_anybody_reads_is_refused(signed_in: Client, alice: User, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(periods, "MOST_ROWS", 1)
    used(alice)
    used(alice, model="two")

    assert len(items(signed_in, group_by="day")) == 1
    assert signed_in.get("/api/v1/usage", {"group_by": "model"}).status_code == 400
