"""How figures and times are written on the pages of runs, of the ledger and on the dashboard."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from django.utils import timezone
from django.utils.formats import date_format, number_format

DOTS: Final = {
    "completed": "good", "limit_reached": "warn", "stopped": "", "failed": "bad",
    "running": "running", "queued": "running", "waiting": "waiting",
}  # fmt: skip
"""The sign of each status: ring, diamond, disc."""


def amount(figure: int) -> str:
    return str(number_format(figure, force_grouping=True))


def money(figure: Decimal, currency: str) -> str:
    """All digits that say something; at least two places."""
    plain = f"{figure.normalize():f}"
    whole, _point, rest = plain.partition(".")
    written = f"{whole}.{rest.ljust(2, '0')}".replace("-", "−")
    return f"{written} {currency}".rstrip()


def clock_time(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


def day_time(moment: datetime) -> str:
    return str(date_format(timezone.localtime(moment), "j M, H:i:s"))
