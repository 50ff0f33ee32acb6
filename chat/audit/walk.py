"""Reading the chain from one end to the other, in constant memory."""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from chat.audit.canonical import FIELDS, digest
from chat.models.audit import AuditEntry

AT_ONCE: Final = 5_000


class Broken(Exception):
    """The first entry that does not fit; the text says how."""

    def __init__(self, sequence: int, text: str) -> None:
        super().__init__(text)
        self.sequence = sequence


class Place(Struct, frozen=True):
    """An entry that fits all before it; 0 is where the chain begins."""

    sequence: int = 0
    sha256: str = ""


def walk(after: Place | None = None, *, up_to: int | None = None) -> Iterator[Place]:
    """The entries that follow, each once it was found to fit the one before.

    Raises:
        Broken: the chain ends here, whatever there is behind.
    """
    here = after or Place()
    while page := _page(here.sequence, up_to):
        for *fields, sha256 in page:
            here = _next(here, fields, sha256)
            yield here


def _page(after: int, up_to: int | None) -> list[tuple[Any, ...]]:
    # By number, so that each page is a look into an index, however long the chain is.
    rows = AuditEntry.objects.filter(sequence__gt=after).order_by("sequence")
    if up_to is not None:
        rows = rows.filter(sequence__lte=up_to)
    try:
        return list(rows.values_list(*FIELDS, "sha256")[:AT_ONCE])
    except Exception:  # noqa: BLE001  (what somebody has put there by hand may break anything)
        return _readable(after, up_to)


def _readable(after: int, up_to: int | None) -> list[tuple[Any, ...]]:
    """As far as the rows can be read.

    Raises:
        Broken: already the first one cannot.
    """
    rows = AuditEntry.objects.filter(sequence__gt=after).order_by("sequence")
    numbers = rows.values_list("sequence", flat=True)
    page: list[tuple[Any, ...]] = []
    for number in numbers[:AT_ONCE]:
        if up_to is not None and number > up_to:
            break
        try:
            page.append(AuditEntry.objects.values_list(*FIELDS, "sha256").get(sequence=number))
        except Exception as error:
            if not page:
                raise Broken(
                    number, f"Entry {number} cannot be read ({type(error).__name__}): it was changed."
                ) from error
            break
    return page


def _next(before: Place, fields: list[Any], sha256: str) -> Place:
    sequence: int = fields[0]
    expected = before.sequence + 1
    if sequence != expected:
        last = sequence - 1
        gone = f"Entry {expected} is" if last == expected else f"Entries {expected} to {last} are"
        raise Broken(sequence, f"{gone} missing: entry {sequence} follows entry {before.sequence}.")
    try:
        fits = digest(*fields, previous=before.sha256) == sha256
    except (ValueError, TypeError, AttributeError):  # fields that no entry ever had
        fits = False
    if not fits:
        raise Broken(
            sequence,
            f"Entry {sequence} does not fit its hash and that of the entry before: one of them was changed, "
            "or put elsewhere.",
        )
    return Place(sequence, sha256)
