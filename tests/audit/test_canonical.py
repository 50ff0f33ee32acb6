"""Canonical JSON, held against an implementation of RFC 8785 by others."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from chat.audit.canonical import LARGEST, canonical, digest, instant

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | TEXTS
NAMES = st.text(st.characters(max_codepoint=127))
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(VALUES)
def test_it_is_written_as_the_rfc_says(value: object):
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", [1.5, 1.0, 2**53, -(2**53), {"ü": 1}, {1: 2}, (1,), b"x", {"a": [{"b": 0.1}]}]
)
def test_what_has_no_one_way_to_be_written_is_refused(value: object):
    with pytest.raises(ValueError, match="canonical JSON"):
        canonical(value)


def test_an_instant_has_one_form_in_whatever_zone_it_is_said():
    assert instant(AT) == "2026-03-01T12:00:00.000000Z"
    assert instant(AT.astimezone(timezone(timedelta(hours=8)))) == instant(AT)


def test_the_hash_is_over_all_fields_and_the_hash_before():
    fields = {
        "sequence": 2, "at": AT, "actor": None, "action": "look", "kind": "run", "key": "1", "subject": None,
        "reason": "why", "details": {"a": 1},
    }  # fmt: skip
    changed: dict[str, object] = {
        "sequence": 3,
        "at": AT + timedelta(microseconds=1),
        "details": {"a": 2},
    } | dict.fromkeys(("actor", "action", "kind", "key", "subject", "reason"), "other")
    hashes = {digest(**fields, previous="0")} | {digest(**fields, previous="1")}  # type: ignore[arg-type]
    hashes |= {digest(**(fields | {name: value}), previous="0") for name, value in changed.items()}  # type: ignore[arg-type]
    assert len(hashes) == 2 + len(fields)


def test_it_is_the_same_in_ten_years():
    known = digest(1, AT, None, "look", "run", "1", None, "why", {"query": "é\n"}, previous="")
    assert known == "150e2f39cca4935cd60af4d13776eadd5090ce208f2c50437b658055ea10a586"
