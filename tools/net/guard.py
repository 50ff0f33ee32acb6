"""Decides where to connect: every address a host has must be allowed, and only these are connected to."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from tools.net.addresses import Address
from tools.net.errors import AddressRefused, Unreachable
from tools.net.policy import Policy
from tools.net.urls import Place

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to addresses. Raises OSError where there are none."""

MOST_ADDRESSES: Final = 4
"""Tried one after the other; a name may have hundreds."""
WEB_PORTS: Final = (80, 443)
"""Of those below 1024. A mail server, sent a request, may take its lines for commands."""
_REFUSED: Final = "is not on the public internet, and only that may be reached from here."


async def addresses_of(place: Place, policy: Policy, resolve: Resolve) -> Sequence[Address]:
    """To be connected to as they are: a second look-up may answer differently (DNS rebinding).

    Raises:
        AddressRefused: one of them is not public, or the port is no web server's, and staff do not allow it.
        Unreachable: there are none.
    """
    named = policy.names(place.host, place.port)
    if place.port < 1024 and place.port not in WEB_PORTS and not named:
        raise AddressRefused(f"Port {place.port} belongs to a service that is no web server.")
    literal = place.literal
    found = [literal] if literal is not None else await _resolved(place, resolve)
    if not named and not all(policy.covers(address) for address in found):
        raise AddressRefused(f"{place.host} {_REFUSED}")
    return found[:MOST_ADDRESSES]


async def _resolved(place: Place, resolve: Resolve) -> list[Address]:
    try:
        answers = await resolve(place.host, place.port)
        # An interface behind a % makes an address one of this machine's own network.
        found = [ip_address(answer) for answer in dict.fromkeys(answers)]
    except (OSError, ValueError) as error:
        raise Unreachable(f"The name {place.host} could not be looked up.") from error
    if not found:
        raise Unreachable(f"The name {place.host} has no address.")
    return found


async def system_resolver(host: str, port: int) -> list[str]:
    """The system's look-up, on a thread that nobody has to wait for: it may hang for half a minute."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            tell(lambda: answer.set_result([str(row[4][0]) for row in rows]))
        except (OSError, UnicodeError) as error:
            failure = error if isinstance(error, OSError) else OSError(str(error))
            tell(lambda: answer.set_exception(failure))

    def tell(result: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: whoever asked has gone
            loop.call_soon_threadsafe(lambda: None if answer.done() else result())

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    return await answer
