"""Whom a tool is offered to."""

import pytest
from django.contrib.auth.models import Group

from chat.engine import offered_tools
from chat.models import User
from tools.base import tool
from tools.registry import Registry

pytestmark = pytest.mark.django_db


@tool(allowed=lambda caller: "finance" in caller.groups)
def book() -> str:
    """Books something."""
    return "booked"


def test_a_tool_for_a_group_is_offered_to_its_members_alone(
    alice: User, mallory: User, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(offered_tools, "installed", lambda: Registry([book]))
    alice.groups.add(Group.objects.create(name="finance"))

    assert offered_tools.names_for(alice) == {"book"}
    assert offered_tools.names_for(mallory) == frozenset()
