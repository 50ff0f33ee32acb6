"""System checks of our own: settings that only make sense together."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register


@register()
def lease_outlives_heartbeats(**_: Any) -> list[Error]:
    if settings.LEASE_SECONDS < 3 * settings.HEARTBEAT_SECONDS:
        return [
            Error(
                "LEASE_SECONDS must be at least three times HEARTBEAT_SECONDS, or a busy process loses its runs.",
                id="chat.E001",
            )
        ]
    return []
