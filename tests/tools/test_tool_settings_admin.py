"""Staff switch tools on and off, describe and limit them: what the pages show, take and refuse."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from chat.models import User
from tests.admin.test_wire import signed_in
from tools.discovery import installed
from tools.models import ToolSetting
from tools.overrides import stored
from tools.registry import ToolOverride

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]

LIST = "/admin/tools/toolsetting/"
EMPTY = {
    "enabled": "on", "description": "", "timeout_seconds": "", "retries": "", "needs_approval": "",
    "max_result_bytes": "",
}  # fmt: skip


@pytest.fixture
def staff(db: None) -> Client:
    return signed_in("view_toolsetting", "change_toolsetting", "delete_toolsetting", is_staff=True)


def row(name: str) -> ToolSetting:
    ToolSetting.objects.ensure([name])
    return ToolSetting.objects.get(name=name)


def page(name: str, what: str = "change") -> str:
    return reverse(f"admin:tools_toolsetting_{what}", args=[row(name).pk])


def post(client: Client, tool: str, **changes: Any) -> Any:
    return client.post(page(tool), EMPTY | changes)


def refused(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    errors: dict[str, list[str]] = answer.context["adminform"].form.errors
    return errors


class TestTheList:
    def test_every_installed_tool_is_there_without_anybody_adding_it(self, staff: Client):
        shown = staff.get(LIST).content.decode()

        for tool in installed():
            assert f">{tool.name}</a>" in shown
            assert tool.place in shown

    def test_what_is_in_force_stands_beside_what_the_tool_says(self, staff: Client):
        ToolSetting.objects.create(name="calculate", timeout_seconds=3, needs_approval=True, enabled=False)

        shown = staff.get(LIST).content.decode()

        declared = next(tool for tool in installed() if tool.name == "calculate")
        assert f"3\u00a0s (the tool says\u00a0{declared.timeout_seconds:g}\u00a0s)" in shown
        assert "yes (the tool says\u00a0no)" in shown
        assert '<td class="field-state">off</td>' in shown

    def test_a_tool_that_is_gone_says_so(self, staff: Client):
        ToolSetting.objects.create(name="gone", timeout_seconds=3)

        assert '<td class="field-state">not installed any more</td>' in staff.get(LIST).content.decode()
        assert "No tool of this name is installed any more" in staff.get(page("gone")).content.decode()

    def test_opening_it_costs_the_same_however_much_is_set(
        self, staff: Client, django_assert_max_num_queries
    ):
        staff.get(LIST)
        for one in ToolSetting.objects.all():
            one.groups.add(Group.objects.create(name=f"for {one.name}"))
        with django_assert_max_num_queries(12):
            staff.get(LIST)

    def test_several_are_switched_at_once(self, staff: Client):
        keys = [row("calculate").pk, row("fetch_page").pk]

        answer = staff.post(LIST, {"action": "switch_off", "_selected_action": keys}, follow=True)

        assert "Switched off: calculate, fetch_page." in answer.content.decode()
        off = ToolOverride(enabled=False)
        assert stored() == {"calculate": off, "fetch_page": off}
        told = LogEntry.objects.values_list("object_repr", "change_message")
        assert set(told) == {(name, "enabled: yes → no") for name in ("calculate", "fetch_page")}

        staff.post(LIST, {"action": "switch_on", "_selected_action": keys[:1]})
        assert stored() == {"fetch_page": off}


class TestOnePage:
    def test_it_shows_what_the_tool_declares(self, staff: Client):
        shown = staff.get(page("calculate")).content.decode()

        declared = next(tool for tool in installed() if tool.name == "calculate")
        assert declared.place in shown
        assert f'<th scope="row">time</th><td>{declared.timeout_seconds:g}\u00a0s</td>' in shown
        assert "as the tool says (no)" in shown

    def test_everything_can_be_set(self, staff: Client):
        finance = Group.objects.create(name="finance")

        answer = post(
            staff, "calculate", description="Adds up.", timeout_seconds="2.5", retries="1", needs_approval="True",
            max_result_bytes="300", groups=[finance.pk],
        )  # fmt: skip

        assert answer.status_code == 302
        assert stored() == {
            "calculate": ToolOverride(
                description="Adds up.", timeout_seconds=2.5, retries=1, needs_approval=True, max_result_bytes=300,
                groups=frozenset({"finance"}),
            )
        }  # fmt: skip

    def test_what_is_emptied_is_what_the_tool_says(self, staff: Client):
        ToolSetting.objects.create(name="calculate", enabled=False, timeout_seconds=3, needs_approval=False)

        post(staff, "calculate")

        assert stored() == {}

    def test_that_no_person_need_agree_can_be_said_too(self, staff: Client):
        post(staff, "calculate", needs_approval="False")

        assert stored() == {"calculate": ToolOverride(needs_approval=False)}
        assert '<option value="False" selected>no</option>' in staff.get(page("calculate")).content.decode()

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("timeout_seconds", "0", "more than 0 seconds and at most a day, not 0"),
            ("timeout_seconds", "90000", "at most a day, not 90000"),
            ("timeout_seconds", "nan", "Enter a number"),
            ("retries", "3", "tried again at most 2 times, not 3"),
            ("max_result_bytes", "10", "256 bytes at least, not 10"),
            ("description", "x" * 1025, "at most 1024 characters"),
            ("needs_approval", "perhaps", "Select a valid choice"),
        ],
    )
    def test_what_makes_no_sense_is_refused_in_words(self, staff: Client, field: str, value: str, words: str):
        errors = refused(post(staff, "calculate", **{field: value}))

        assert list(errors) == [field]
        assert words in str(errors[field])
        assert stored() == {}

    def test_more_time_than_a_task_has_is_refused(self, staff: Client, settings):
        settings.CELERY_TASK_SOFT_TIME_LIMIT = 60

        errors = refused(post(staff, "calculate", timeout_seconds="61"))

        assert "A worker&#x27;s task has 60 seconds (TASK_SECONDS)." in str(errors["timeout_seconds"])

    def test_a_tool_that_is_not_idempotent_cannot_be_tried_again(self, staff: Client, monkeypatch):
        from tools.admin import settings as pages
        from tools.base import tool
        from tools.registry import Registry

        once = tool(name="once", description="Does it once.")(lambda: "")
        monkeypatch.setattr(pages, "installed", lambda: Registry([once]))

        assert "not idempotent" in str(refused(post(staff, "once", retries="1"))["retries"])

    def test_who_changed_what_is_logged_with_the_values(self, staff: Client):
        finance = Group.objects.create(name="finance")
        post(staff, "calculate", timeout_seconds="9", groups=[finance.pk])
        post(staff, "calculate", needs_approval="True", enabled="")

        second, first = LogEntry.objects.order_by("-pk").values_list("change_message", flat=True)
        assert first == "timeout_seconds: nothing → 9.0; groups: nothing → finance"
        assert second == (
            "enabled: yes → no; timeout_seconds: 9.0 → nothing; needs_approval: nothing → yes; "
            "groups: finance → nothing"
        )


class TestWhoMay:
    def test_nobody_else_than_staff_with_the_permission(self, alice: User):
        for client, status in (
            (Client(), 302),
            (signed_in("view_toolsetting", "change_toolsetting"), 302),
            (signed_in("view_product", is_staff=True), 403),
        ):
            for url in (LIST, page("calculate")):
                assert client.get(url).status_code == status
            assert post(client, "calculate", enabled="").status_code == status
        assert stored() == {}

    def test_who_may_look_changes_nothing(self):
        client = signed_in("view_toolsetting", is_staff=True)

        assert client.get(LIST).status_code == 200
        assert client.get(page("calculate")).status_code == 200
        assert post(client, "calculate", enabled="").status_code == 403
        client.post(LIST, {"action": "switch_off", "_selected_action": [row("calculate").pk]})
        assert stored() == {}

    def test_nobody_adds_a_name(self, client: Client, ada: User):
        client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")

        assert client.post(f"{LIST}add/", EMPTY | {"name": "mine"}).status_code == 403
        assert post(client, "calculate", name="mine").status_code == 302
        assert not ToolSetting.objects.filter(name="mine").exists()

    def test_only_what_is_gone_is_deleted(self, staff: Client):
        ToolSetting.objects.create(name="gone")

        assert staff.post(page("calculate", "delete"), {"post": "yes"}).status_code == 403
        staff.post(
            LIST,
            {
                "action": "delete_selected",
                "_selected_action": [row("calculate").pk, row("gone").pk],
                "post": "yes",
            },
        )
        assert ToolSetting.objects.filter(name__in=["calculate", "gone"]).count() == 2
        assert staff.post(page("gone", "delete"), {"post": "yes"}).status_code == 302
        assert not ToolSetting.objects.filter(name="gone").exists()
