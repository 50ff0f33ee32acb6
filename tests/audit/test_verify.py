"""Whatever is done to the chain behind its back is found, and the first bad entry named."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.audit.canonical import digest
from chat.audit.chain import HEAD, sealed_fields
from chat.audit.heads import WRITTEN, WrittenHead, make_now, read_heads, written
from chat.audit.seals import Seals
from chat.audit.verify import Verdict, verify
from chat.audit.walk import AT_ONCE
from chat.models import AuditEntry, AuditHead
from tests.audit.chains import BEGAN, SEALS, append, look

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]
TABLE = AuditEntry._meta.db_table


def sql(statement: str, *values: Any) -> None:
    """As somebody would with the database's own shell."""
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("ENTRY", TABLE), values)


def verdict(*heads: WrittenHead | None, seals: Seals = SEALS, known: Iterable[int] = ()) -> Verdict:
    return verify(seals, (("a file", head) for head in heads), known_breaks=known)


def remade(**changes: Any) -> None:
    """The whole chain, each hash made anew, as somebody could who has everything but the key."""
    before = ""
    for entry in AuditEntry.objects.order_by("sequence"):
        fields = [getattr(entry, name) for name in ("sequence", "at", "actor", "action", "kind", "key")]
        fields += [entry.subject, entry.reason, entry.details]
        before = digest(*fields, previous=before)
        sql("UPDATE ENTRY SET sha256 = %s WHERE sequence = %s", before, entry.sequence)
    AuditHead.objects.update(sha256=before, sequence=AuditEntry.objects.count(), **changes)


@pytest.fixture
def six() -> None:
    append(*(look(key=str(number), details={"n": number}) for number in range(1, 7)))


def test_a_chain_that_nobody_has_touched_is_whole(six: None):
    found = verdict(written(make_now(BEGAN, SEALS)))

    assert (found.entries, found.heads, found.first_bad, found.faults) == (6, 1, None, [])


def test_an_empty_one_too():
    assert verdict().faults == []


@pytest.mark.parametrize(
    ("done", "bad"),
    [
        ("UPDATE ENTRY SET reason = 'another' WHERE sequence = 3", 3),
        ("UPDATE ENTRY SET actor = NULL WHERE sequence = 6", 6),
        ("UPDATE ENTRY SET subject = actor WHERE sequence = 1", 1),
        ("UPDATE ENTRY SET details = '{\"n\": 7}' WHERE sequence = 2", 2),
        ("UPDATE ENTRY SET details = '{\"n\": 2.5}' WHERE sequence = 2", 2),
        ("UPDATE ENTRY SET sha256 = '00' WHERE sequence = 4", 4),
        ("DELETE FROM ENTRY WHERE sequence = 1", 2),
        ("DELETE FROM ENTRY WHERE sequence IN (3, 4)", 5),
        ("UPDATE ENTRY SET sequence = 0 WHERE sequence = 6", 0),
    ],
)
def test_a_change_or_a_gap_is_found_where_it_is(six: None, done: str, bad: int):
    sql(done)

    found = verdict()
    assert found.faults
    assert found.first_bad == bad or bad == 0


def test_two_that_have_changed_places_are_found(six: None):
    for old, new in ((2, 99), (5, 2), (99, 5)):
        sql("UPDATE ENTRY SET sequence = %s WHERE sequence = %s", new, old)

    assert verdict().first_bad == 2


@pytest.mark.sqlite
@pytest.mark.parametrize("column", ["at", "actor", "details"])
def test_one_that_cannot_even_be_read_is_named(six: None, column: str):
    sql(f"UPDATE ENTRY SET {column} = %s WHERE sequence = 4", '"of another kind"')  # noqa: S608

    found = verdict()
    assert (found.entries, found.first_bad) == (3, 4)
    assert found.faults[0].startswith("Entry 4 ")


class TestTheEnd:
    def test_a_tail_that_was_cut_is_missed_by_the_head(self, six: None):
        sql("DELETE FROM ENTRY WHERE sequence > 4")

        assert verdict().faults == [
            "The chain ends at entry 4, but its head is of entry 6: the last ones are missing."
        ]

    def test_one_that_was_put_behind_the_end_is_found(self, six: None):
        last = AuditEntry.objects.get(sequence=6)
        added = (7, last.at, None, "look", "run", "1", None, "", {})
        sql(
            "INSERT INTO ENTRY (sequence, at, actor, action, kind, key, subject, reason, details, sha256) "
            "SELECT 7, at, NULL, 'look', 'run', '1', NULL, '', '{}', %s FROM ENTRY WHERE sequence = 6",
            digest(*added, previous=last.sha256),
        )

        assert verdict().first_bad == 7

    def test_a_chain_made_anew_with_the_head_has_no_seal(self, six: None):
        sql("UPDATE ENTRY SET reason = 'another' WHERE sequence = 3")
        remade()

        assert "no seal of ours" in verdict().faults[0]

    def test_an_older_head_that_was_put_back_is_found_by_what_was_written_out(self):
        append(look(), look())
        older = AuditHead.objects.values().get()
        append(look(), look())
        out = written(make_now(BEGAN, SEALS))
        sql("DELETE FROM ENTRY WHERE sequence > 2")
        AuditHead.objects.update(**older)

        assert verdict().faults == []
        assert "is of entry 4, but there are only 2" in verdict(out).faults[0]

    def test_a_chain_made_anew_by_who_has_the_key_is_found_by_what_was_written_out(self, six: None):
        out = written(make_now(BEGAN, SEALS))
        sql("UPDATE ENTRY SET reason = 'another' WHERE sequence = 3")
        remade()
        head = AuditHead.objects.get()
        AuditHead.objects.update(seal=SEALS.seal(HEAD, sealed_fields(head)))

        assert verdict().faults == []
        found = verdict(out)
        assert found.first_bad == 6
        assert "is not the one that was written out" in found.faults[0]

    def test_a_head_that_is_gone_is_said(self, six: None):
        AuditHead.objects.all().delete()

        assert verdict().faults == ["The head of the chain is gone; there are 6 entries."]

    def test_a_break_is_told_until_somebody_knows_its_cause(self, six: None):
        AuditHead.objects.update(seal="0" * 64)
        append(look())

        assert verdict().faults == ["After entry 6 the head of the chain was gone, or had no seal of ours."]
        assert verdict(known=[6]).faults == []
        assert verdict(known=[5]).faults != []


class TestWrittenHeads:
    def test_a_forged_one_is_found(self, six: None):
        out = written(make_now(BEGAN, SEALS))
        for forged in (
            WrittenHead(None, out.made_at, 2, out.sha256, out.seal),
            WrittenHead("2026-03-01", out.made_at, out.sequence, out.sha256, out.seal),
            WrittenHead(None, out.made_at, 6, out.sha256, Seals([b"mine"]).seal(WRITTEN, out.sealed())),
        ):
            assert "no seal of ours" in verdict(forged).faults[0]

    def test_a_line_that_is_no_head_is_said(self, six: None):
        lines = [b"", b"{}", b'{"day"', b"\xff", written(make_now(BEGAN, SEALS)).line()]
        read = list(read_heads(lines))

        assert [head is None for head in read] == [True, True, True, False]
        assert verdict(*read).faults == ["a file is no head: it was changed."] * 3

    def test_an_earlier_key_still_holds(self, six: None):
        out = written(make_now(BEGAN, SEALS))

        assert verdict(out, seals=Seals([b"new", b"a key of its own"])).faults == []


def test_more_than_one_page_is_read():
    for _ in range(3):
        append(*(look() for _ in range(AT_ONCE // 2)))

    assert verdict().entries == 3 * (AT_ONCE // 2)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@st.composite
def tampering(draw: Callable[..., Any], size: int = 8) -> tuple[str, list[Any]]:
    """Something that changes what the chain says, in SQL."""
    at = draw(st.integers(1, size))
    column = draw(st.sampled_from(["reason", "kind", "key", "action", "sha256"]))
    value = draw(TEXT.filter(lambda text: text not in ("", "look", "run", "ticket", "1")))
    return draw(
        st.sampled_from(
            [
                (f"UPDATE ENTRY SET {column} = %s WHERE sequence = %s", [value, at]),  # noqa: S608
                ("UPDATE ENTRY SET actor = NULL WHERE sequence = %s", [at]),
                ("UPDATE ENTRY SET subject = NULL WHERE sequence = %s", [at]),
                ("UPDATE ENTRY SET details = %s WHERE sequence = %s", ['{"n": 99}', at]),
                ("UPDATE ENTRY SET at = %s WHERE sequence = %s", [BEGAN - timedelta(days=at), at]),
                ("DELETE FROM ENTRY WHERE sequence = %s", [at]),
                ("DELETE FROM ENTRY WHERE sequence >= %s", [at]),
                ("UPDATE ENTRY SET sequence = sequence + 100 WHERE sequence = %s", [at]),
            ]
        )
    )


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=tampering())
def test_any_tampering_of_any_chain_is_found(done: tuple[str, list[Any]]):
    from django.db import transaction

    with transaction.atomic():
        append(*(look(details={"n": number}) for number in range(8)))
        assert verdict().faults == []
        statement, values = done
        sql(statement, *[_as_stored(value) for value in values])
        found = verdict()
        transaction.set_rollback(True)
    assert found.faults


def _as_stored(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if hasattr(value, "year") else value
