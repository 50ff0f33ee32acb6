"""What staff have set, as it is read: seldom, never older than a second, and never so that it breaks a run."""

import pytest
from django.contrib.auth.models import Group

from tools.models import ToolSetting
from tools.overrides import Overrides, override_of, stored
from tools.registry import ToolOverride

OFF = {"look": ToolOverride(enabled=False)}
ON: dict[str, ToolOverride] = {}


class Desk:
    """Staff, their rows, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rows = ON
        self.reads = 0
        self.overrides = Overrides(self.read, lambda: self.now)

    def read(self):
        self.reads += 1
        return self.rows


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_within_a_second_nothing_is_read_again(desk: Desk):
    for desk.now in (0.0, 0.5, 0.99):
        desk.overrides()

    assert desk.reads == 1


def test_after_a_second_a_change_is_known(desk: Desk):
    assert desk.overrides() == ON
    desk.rows = OFF
    desk.now = 1.0

    assert desk.overrides() == OFF


def test_a_reader_that_was_overtaken_does_not_bring_back_what_was(desk: Desk):
    def slow():
        # While it reads, somebody who began later sees the change.
        if desk.reads == 0:
            seen = desk.read()
            desk.now, desk.rows = 0.5, OFF
            desk.overrides()
            return seen
        return desk.read()

    desk.overrides = Overrides(slow, lambda: desk.now)

    assert desk.overrides() == ON
    desk.now = 0.9
    assert desk.overrides() == OFF
    assert desk.reads == 2


def test_what_cannot_be_read_is_asked_for_again(desk: Desk):
    def broken():
        if desk.reads == 0:
            desk.read()
            raise OSError
        return desk.read()

    desk.overrides = Overrides(broken, lambda: desk.now)
    with pytest.raises(OSError):
        desk.overrides()

    assert desk.overrides() == ON


@pytest.mark.both_columns
@pytest.mark.django_db
class TestStored:
    def test_rows_that_set_nothing_are_no_overrides(self):
        ToolSetting.objects.ensure(["look", "delete"])

        assert stored() == {}

    def test_everything_that_is_set_is_read_with_one_query(self, django_assert_num_queries):
        row = ToolSetting.objects.create(
            name="look", description="Looks.", timeout_seconds=2.5, retries=1, needs_approval=False,
            max_result_bytes=500,
        )  # fmt: skip
        row.groups.set([Group.objects.create(name=name) for name in ("sales", "finance")])
        ToolSetting.objects.create(name="delete", enabled=False)
        ToolSetting.objects.create(name="quiet")

        with django_assert_num_queries(1):
            found = stored()

        look = ToolOverride(
            description="Looks.", timeout_seconds=2.5, retries=1, needs_approval=False, max_result_bytes=500,
            groups=frozenset({"sales", "finance"}),
        )  # fmt: skip
        assert found == {"look": look, "delete": ToolOverride(enabled=False)}
        assert override_of(row) == look

    def test_a_row_that_makes_no_sense_switches_its_tool_off(self, caplog):
        ToolSetting.objects.create(name="look", timeout_seconds=-1)

        assert stored() == OFF
        assert "The tool look is off" in caplog.text

    def test_rows_are_made_once_and_keep_what_is_set(self, django_assert_num_queries):
        ToolSetting.objects.create(name="look", enabled=False)

        ToolSetting.objects.ensure(["look", "delete"])
        with django_assert_num_queries(1):
            ToolSetting.objects.ensure(["look", "delete"])

        assert list(ToolSetting.objects.values_list("name", "enabled")) == [("delete", True), ("look", False)]

    def test_a_tool_whose_groups_are_deleted_is_nobodys_and_not_everybodys(self):
        sales, finance = (Group.objects.create(name=name) for name in ("sales", "finance"))
        both, one, _ = (ToolSetting.objects.create(name=name) for name in ("both", "one", "open"))
        both.groups.set([sales, finance])
        one.groups.set([sales])

        sales.delete()
        assert stored() == {
            "both": ToolOverride(groups=frozenset({"finance"})),
            "one": ToolOverride(enabled=False),
        }
        both.groups.add(Group.objects.create(name="lab"))
        Group.objects.all().delete()
        assert stored() == {"both": ToolOverride(enabled=False), "one": ToolOverride(enabled=False)}
