"""Canonical JSON (RFC 8785) and the hash of an entry. Pure.

Written by msgspec, which agrees with RFC 8785 on a part of JSON: names in ASCII, whole numbers up to 2**53 - 1 either
way, texts, true, false, null, and lists and objects of these. Whatever else is refused. (The RFC sorts names by UTF-16
and writes floats as JavaScript does.) tests/audit/test_canonical.py holds it against another implementation.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

LARGEST: Final = 2**53 - 1
FIELDS: Final = ("sequence", "at", "actor", "action", "kind", "key", "subject", "reason", "details")
"""Of an entry, in the order in which they are read from the database."""

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def canonical(value: Any) -> bytes:
    """
    Raises:
        ValueError: it has something that is not of the part on which we agree with the RFC.
    """
    _check(value)
    return _encode(value)


def instant(moment: datetime) -> str:
    """Of one form, to the microsecond: what both databases keep."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def digest(
    sequence: int,
    at: datetime,
    actor: UUID | None,
    action: str,
    kind: str,
    key: str,
    subject: UUID | None,
    reason: str,
    details: Mapping[str, Any],
    *,
    previous: str,
) -> str:
    """The hash of an entry, as hexadecimal digits. `previous` is that of the entry before, "" of the first one.

    Raises:
        ValueError: as `canonical`.
    """
    fields = {
        "sequence": sequence,
        "at": instant(at),
        "actor": None if actor is None else str(actor),
        "action": action,
        "kind": kind,
        "key": key,
        "subject": None if subject is None else str(subject),
        "reason": reason,
        "details": details,
        "previous": previous,
    }
    _check(details)  # the others are what they are by their columns
    return hashlib.sha256(_encode(fields)).hexdigest()


def _check(value: Any) -> None:
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int):
        if abs(value) > LARGEST:
            raise ValueError(f"{value} is too large for canonical JSON")
    elif isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str) or not name.isascii():
                raise ValueError(f"{name!r} is no name for canonical JSON here: not ASCII")
            _check(item)
    elif isinstance(value, list):
        for item in value:
            _check(item)
    else:
        raise ValueError(f"{type(value).__name__} is not of canonical JSON here")  # noqa: TRY004
