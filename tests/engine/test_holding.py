"""Tasks are delivered twice: a copy may have read the row before somebody agreed."""

import pytest

from chat.models import ToolInvocation
from chat.models.tools import tell_nobody
from tests.factories import ToolInvocationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]


@pytest.mark.parametrize(("decision", "held"), [("", True), ("approve", False)])
def test_who_has_agreed_is_not_asked_again(decision: str, held: bool):
    row = ToolInvocationFactory.create(status="pending", waits_for="", decision=decision)
    assert ToolInvocation.objects.hold(row.pk, seconds=60, tell=tell_nobody) is held
    row.refresh_from_db()
    assert row.status == ("waiting" if held else "pending")
