"""Appending to the audit log, and what refuses to be changed in it."""

import pytest
from django.db import transaction

from chat.audit.seals import Seals
from chat.models import AuditEntry, AuditHead
from chat.models.audit import EntriesStay
from tests.audit.chains import ADA, ALICE, SEALS, append, look

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]


def test_entries_are_numbered_and_each_stands_on_the_one_before():
    append(look())
    append(look(), look(details={"query": "x"}))

    first, second, third = AuditEntry.objects.order_by("sequence")
    assert [first.sequence, second.sequence, third.sequence] == [1, 2, 3]
    assert len({first.sha256, second.sha256, third.sha256}) == 3
    assert (first.actor, first.subject, third.details) == (ADA, ALICE, {"query": "x"})
    head = AuditHead.objects.get()
    assert (head.sequence, head.sha256, head.breaks) == (3, third.sha256, [])


def test_an_entry_goes_with_what_it_tells_of():
    with transaction.atomic():
        append(look())
        transaction.set_rollback(True)

    assert not AuditEntry.objects.exists()
    append(look())
    assert AuditEntry.objects.get().sequence == 1


@pytest.mark.django_db(transaction=True)
def test_a_durable_one_is_refused_where_it_would_not_be_committed():
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        append(look(), durable=True)
    append(look(), durable=True)
    assert AuditEntry.objects.count() == 1


def test_texts_are_cut_and_cleaned_to_what_is_kept():
    append(look(reason="x\0" * 300, key="k" * 200, details={"query": "a\ud800"}))

    entry = AuditEntry.objects.get()
    assert (entry.reason[:2], len(entry.reason), len(entry.key)) == ("x\ufffd", 300, 100)
    assert entry.details == {"query": "a\ufffd"}


def test_details_without_a_canonical_form_are_refused():
    with pytest.raises(ValueError, match="canonical"):
        append(look(details={"cost": 0.1}))

    assert not AuditEntry.objects.exists()


class TestWhatStays:
    @pytest.fixture
    def entry(self) -> AuditEntry:
        return append(look())[0]

    def test_an_entry_is_not_saved_or_deleted(self, entry: AuditEntry):
        entry.reason = "another"
        for attempt in (entry.save, entry.delete, AuditEntry(sequence=2).save, entry.save_base):
            with pytest.raises(EntriesStay):
                attempt()
        assert AuditEntry.objects.get().reason == "ticket"

    def test_nor_are_many_at_once(self, entry: AuditEntry):
        rows = AuditEntry.objects.all()
        for attempt in (
            lambda: rows.update(reason="another"),
            lambda: rows.delete(),
            lambda: AuditEntry._base_manager.all().delete(),
            lambda: rows.bulk_update([entry], ["reason"]),
            lambda: rows.update_or_create({"reason": "another"}, sequence=1),
            lambda: rows.bulk_create(
                [entry], update_conflicts=True, update_fields=["reason"], unique_fields=["sequence"]
            ),
        ):
            with pytest.raises(EntriesStay):
                attempt()
        assert AuditEntry.objects.get().reason == "ticket"


class TestABrokenHead:
    """Nobody is kept from working by it, and it stays to be seen."""

    def test_one_that_is_gone_is_made_anew_from_what_is_there(self):
        append(look(), look())
        AuditHead.objects.all().delete()
        append(look())

        assert list(AuditEntry.objects.order_by("pk").values_list("pk", flat=True)) == [1, 2, 3]
        assert AuditHead.objects.get().breaks == [2]

    def test_one_that_is_forged_is_not_believed(self):
        append(look(), look())
        AuditHead.objects.update(sequence=1, sha256="0" * 64)
        append(look())

        assert (AuditHead.objects.get().sequence, AuditHead.objects.get().breaks) == (3, [2])

    def test_what_was_seen_is_not_forgotten(self):
        append(look())
        AuditHead.objects.update(seal="0" * 64)
        append(look())
        AuditHead.objects.update(breaks=[])
        append(look())
        append(look())

        assert AuditHead.objects.get().breaks == [2]

    def test_nor_is_a_second_one(self):
        append(look())
        for _ in range(2):
            AuditHead.objects.update(seal="0" * 64)
            append(look())

        assert AuditHead.objects.get().breaks == [1, 2]

    def test_an_earlier_key_still_holds_and_the_next_entry_is_sealed_with_the_new_one(self):
        append(look())
        append(look(), seals=Seals([b"a new key", b"a key of its own"]))
        append(look(), seals=Seals([b"a new key"]))

        assert AuditHead.objects.get().breaks == []

    def test_another_key_does_not(self):
        append(look())
        append(look(), seals=Seals([b"somebody else's"]))

        assert AuditHead.objects.get().breaks == [1]


def test_a_seal_of_one_thing_is_none_of_another():
    fields = {"sequence": 1}
    assert SEALS.holds(SEALS.seal("head", fields), "head", fields)
    assert not SEALS.holds(SEALS.seal("head", fields), "checkpoint", fields)
    assert not SEALS.holds("no seal — at all", "head", fields)


def test_a_seal_needs_a_key():
    for keys in ([], [b""]):
        with pytest.raises(ValueError, match="key"):
            Seals(keys)
