"""Asks a JSON service on the network, for the tools that do."""

from collections.abc import Mapping
from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec

from tools.exceptions import ToolFailed, ToolUnavailable
from tools.net.client import Answer, NetLimits, OutboundClient
from tools.net.policy import Policy

T = TypeVar("T")
LIMITS: Final = NetLimits(total_seconds=15, most_bytes=1_000_000)


async def ask(
    policy: Policy, service: str, url: str, kind: type[T], values: Mapping[str, str] | None = None
) -> T:
    """
    Args:
        service: its name, for people. No error says the URL: there may be a key in it.
        values: the query.

    Raises:
        ToolUnavailable: the service is away, or busy, or does not take our key.
        ToolFailed: it refuses this request.
    """
    where = f"{url}?{urlencode(values)}" if values else url
    try:
        answer = await OutboundClient(policy, limits=LIMITS).request(
            "GET", where, headers={"Accept": "application/json"}
        )
    except ToolUnavailable as error:
        raise ToolUnavailable(f"{service} is unavailable: {error}") from error
    _check_status(service, answer)
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ToolUnavailable(f"{service} is unavailable: its answer cannot be understood.") from error


def _check_status(service: str, answer: Answer) -> None:
    if 200 <= answer.status < 300:
        return
    if answer.status in {401, 403}:
        raise ToolUnavailable(f"{service} is unavailable: it does not accept this site's key.")
    if answer.status == 429 or answer.status >= 500:
        raise ToolUnavailable(
            f"{service} is unavailable: it answers with status {answer.status}.",
            retry_after_seconds=_seconds(answer.headers.get("retry-after", "")),
        )
    raise ToolFailed(f"{service} refused the request with status {answer.status}.")


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
