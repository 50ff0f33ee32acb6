"""Whom a webhook tool is for, when groups go."""

import pytest
from django.contrib.auth.models import Group

from chat.models import WebhookTool
from tests.factories import UserFactory, WebhookToolFactory

pytestmark = pytest.mark.django_db


def test_a_tool_whose_groups_are_deleted_is_nobodys_and_not_everybodys():
    sales, finance = (Group.objects.create(name=name) for name in ("sales", "finance"))
    both, one, _ = (WebhookToolFactory.create(name=name) for name in ("both", "one", "for_all"))
    both.groups.set([sales, finance])
    one.groups.set([sales])
    stranger = UserFactory.create()

    sales.delete()
    assert [tool.name for tool in WebhookTool.objects.usable_by(stranger)] == ["for_all"]
    assert dict(WebhookTool.objects.values_list("name", "enabled")) == {
        "both": True,
        "one": False,
        "for_all": True,
    }
    Group.objects.all().delete()
    assert [tool.name for tool in WebhookTool.objects.usable_by(stranger)] == ["for_all"]
