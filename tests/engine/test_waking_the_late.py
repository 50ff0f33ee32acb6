"""Invocations for which nobody came in time, while something is wrong with one of them."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from chat.engine.invocations import wake_late
from chat.models import ToolInvocation
from tests.factories import ToolInvocationFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]


def late(seconds: float) -> ToolInvocation:
    return ToolInvocationFactory.create(deadline_at=timezone.now() - timedelta(seconds=seconds))


def test_one_that_cannot_be_told_keeps_no_other_run_from_going_on():
    broken, well = late(20), late(10)

    def tell(keys: Collection[UUID]) -> None:
        if broken.pk in keys:
            raise ValueError("it has no payload")

    assert wake_late(10, tell=tell) == 1
    for row in (broken, well):
        row.run.refresh_from_db()
        row.refresh_from_db()
    assert (broken.status, broken.run.status) == ("waiting", "waiting")
    assert (well.status, well.run.status) == ("timed_out", "queued")
