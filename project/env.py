"""Typed readers of the environment. A bad value stops the boot with its name and what was expected."""

import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

T = TypeVar("T")

_fallback: dict[str, str] = {}
_given: dict[str, str] = {}

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


class BadSetting(SystemExit):
    """Ends the process with one line and exit code 1, from wherever settings are read."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        super().__init__(f"Bad setting {name}={value!r}: expected {expected}.")


def fall_back_on(values: Mapping[str, str]) -> None:
    """What counts where the environment has nothing, from now on."""
    _fallback.clear()
    _fallback.update(values)


def given() -> dict[str, str]:
    """The settings that were read so far and that the environment itself had a value for."""
    return dict(_given)


def _read(name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
    value = os.environ.get(name, "").strip()
    if value:
        _given[name] = value
    else:
        value = _fallback.get(name, "")
    if not value:
        return default
    try:
        return parse(value)
    except ValueError:
        raise BadSetting(name, _without_password(value), expected) from None


def _without_password(value: str) -> str:
    return re.sub(r"://.*@", "://…@", value)


def text(name: str, default: str = "") -> str:
    return _read(name, default, str, "a text")


def flag(name: str, default: bool) -> bool:
    def parse(value: str) -> bool:
        if value.lower() in TRUE:
            return True
        if value.lower() in FALSE:
            return False
        raise ValueError

    return _read(name, default, parse, "yes or no")


def whole(name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
    def parse(value: str) -> int:
        number = int(value)
        if not least <= number <= most:
            raise ValueError
        return number

    return _read(name, default, parse, f"a whole number from {least} to {most}")


def seconds(name: str, default: float, *, least: float = 0.0) -> float:
    def parse(value: str) -> float:
        number = float(value)
        # The second half refuses NaN, which compares as false with everything.
        if not least <= number <= 86_400 * 366:
            raise ValueError
        return number

    return _read(name, default, parse, f"a number of seconds, at least {least:g}")


def share(name: str, default: float) -> float:
    def parse(value: str) -> float:
        number = float(value)
        if not 0 <= number <= 1:
            raise ValueError
        return number

    return _read(name, default, parse, "a number from 0 to 1")


def bounds(name: str, default: str, *, more_is_better: bool = False) -> tuple[float, float]:
    """Two numbers above zero: where good ends, and where bad begins."""

    def parse(value: str) -> tuple[float, float]:
        good, bad = (float(part) for part in value.split(","))
        # Refuses NaN, too, which compares as false with everything.
        if not (0 < bad <= good if more_is_better else 0 < good <= bad):
            raise ValueError
        return good, bad

    order = "falling" if more_is_better else "rising"
    return _read(name, parse(default), parse, f"two {order} numbers above zero, such as {default}")


def choice(name: str, default: str, choices: Collection[str]) -> str:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError
        return value

    return _read(name, default, parse, "one of " + ", ".join(sorted(choices)))


def names(name: str, default: Collection[str] = ()) -> list[str]:
    """A comma-separated list."""
    return _read(
        name, list(default), lambda v: [part.strip() for part in v.split(",") if part.strip()], "a list"
    )


def path(name: str, default: Path) -> Path:
    return _read(name, default, lambda v: Path(v).expanduser().resolve(), "a path")


def time_zone(name: str, default: str) -> str:
    """A name of the IANA database, such as `Europe/Berlin`."""

    def parse(value: str) -> str:
        try:
            return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, OSError):
            raise ValueError from None

    return _read(name, default, parse, "a time zone such as Europe/Berlin")


def url(name: str, default: str = "", *, schemes: Collection[str]) -> str:
    def parse(value: str) -> str:
        if value.split("://", 1)[0] not in schemes or "://" not in value:
            raise ValueError
        _ = urlsplit(value).port  # raises where it is no number
        return value

    return _read(
        name, default, parse, "a URL starting with " + " or ".join(f"{s}://" for s in sorted(schemes))
    )
