"""Which models and tools a group may use: set on the models, seen on the group."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.admin.gates import signed_in
from tests.factories import LanguageModelFactory, ProviderFactory, WebhookToolFactory
from tools.models import ToolSetting

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(db: None) -> Group:
    return Group.objects.create(name="lab")


def page(staff, group: Group) -> str:
    answer = staff.get(f"/admin/auth/group/{group.pk}/change/")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_the_page_of_a_group_says_what_its_members_may_use(lab):
    other = Group.objects.create(name="office")
    mine, theirs, both, off = (
        LanguageModelFactory.create(name=name) for name in ("mine", "hers", "both", "off")
    )
    mine.groups.add(lab)
    theirs.groups.add(other)
    both.groups.set([lab, other])
    type(off).objects.filter(pk=off.pk).update(enabled=False)
    open_ = LanguageModelFactory.create(name="open")
    tool = WebhookToolFactory.create(name="parcel")
    tool.groups.add(other)
    ToolSetting.objects.ensure(["calculate"])
    ToolSetting.objects.get(name="calculate").groups.add(lab)

    shown = page(signed_in("view_group", "view_languagemodel", "view_toolsetting", "view_webhooktool"), lab)
    for row, words in (
        (mine, "this group alone"),
        (theirs, "only office"),
        (both, "this group, and office"),
        (off, "switched off"),
        (open_, "everybody"),
        (tool, "only office"),
    ):
        assert f"{row}</a>: {words}" in shown
    assert "calculate</a>: this group alone" in shown
    assert "current_time: everybody" in shown


def test_who_may_not_see_models_sees_none_there(lab):
    LanguageModelFactory.create(name="secret-model")
    assert "secret-model" not in page(signed_in("view_group"), lab)


def test_staff_keep_a_model_for_groups_where_models_are_edited(lab):
    model = LanguageModelFactory.create()
    staff = signed_in("view_languagemodel", "change_languagemodel", "view_provider")
    form = {
        "name": model.name, "provider": model.provider_id, "enabled": "on", "capabilities": "[]",
        "groups": [lab.pk], "prices-TOTAL_FORMS": 0, "prices-INITIAL_FORMS": 0,
    }  # fmt: skip
    answer = staff.post(f"/admin/chat/languagemodel/{model.pk}/change/", form)
    assert answer.status_code == 302, answer.content.decode()
    assert list(model.groups.all()) == [lab]
    assert "lab" in staff.get("/admin/chat/languagemodel/").content.decode()


def test_and_on_the_page_of_their_provider(lab):
    model = LanguageModelFactory.create()
    staff = signed_in("view_provider", "change_provider", "view_languagemodel", "change_languagemodel")
    path = f"/admin/chat/provider/{model.provider_id}/change/"
    assert 'name="models-0-groups"' in staff.get(path).content.decode()
    form = {
        "name": model.provider.name, "dialect": "openai_chat", "base_url": "http://127.0.0.1:9/v1", "enabled": "on",
        "headers": "{}", "models-TOTAL_FORMS": 1, "models-INITIAL_FORMS": 1, "models-0-id": model.pk,
        "models-0-provider": model.provider_id, "models-0-name": model.name, "models-0-enabled": "on",
        "models-0-groups": [lab.pk],
    }  # fmt: skip
    assert staff.post(path, form).status_code == 302
    assert list(model.groups.all()) == [lab]


def test_the_page_of_a_provider_asks_as_often_for_ten_models_as_for_two(lab):
    provider = ProviderFactory.create()
    staff = signed_in("view_provider", "change_provider", "view_languagemodel", "change_languagemodel")

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert staff.get(f"/admin/chat/provider/{provider.pk}/change/").status_code == 200
        return len(asked)

    for model in LanguageModelFactory.create_batch(2, provider=provider):
        model.groups.add(lab)
    questions()
    few = questions()
    LanguageModelFactory.create_batch(8, provider=provider)
    assert questions() <= few
