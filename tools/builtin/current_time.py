"""What time it is, somewhere."""

import difflib
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from tools.base import tool
from tools.context import ToolContext
from tools.exceptions import ToolRetry


@tool(timeout_seconds=5, idempotent=True)
def current_time(context: ToolContext, time_zone: str = "UTC") -> dict[str, Any]:
    """The date and the time now, in a time zone.

    Args:
        time_zone: a name of the IANA database, such as Europe/Berlin or America/New_York.
    """
    name = _named(time_zone)
    now = context.now().astimezone(ZoneInfo(name))
    return {
        "time": now.isoformat(timespec="seconds"),
        "time_zone": name,
        "weekday": f"{now:%A}",
        "iso_week": now.isocalendar().week,
    }


def _named(wanted: str) -> str:
    """Also of a city alone, in any case: models and people say "Tokyo".

    Raises:
        ToolRetry: there is none, or there are several; the text names the nearest.
    """
    zones = {zone.casefold(): zone for zone in available_timezones()}
    plain = wanted.strip().replace(" ", "_").casefold()
    if plain in zones:
        return zones[plain]
    cities: dict[str, list[str]] = {}
    for folded, zone in zones.items():
        if "/" in folded:
            cities.setdefault(folded.rpartition("/")[2], []).append(zone)
    if len(cities.get(plain, ())) == 1:
        return cities[plain][0]
    near = cities.get(plain) or [
        zone
        for name in difflib.get_close_matches(plain.rpartition("/")[2], cities, n=3)
        for zone in sorted(cities[name])
    ]
    hint = f" Did you mean {', '.join(sorted(near))}?" if near else ' Names look like "Europe/Berlin".'
    raise ToolRetry(f"There is no time zone called {wanted[:80]!r}.{hint}")
