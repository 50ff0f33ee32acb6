"""The listening socket: bound before anything else happens, so that a taken port costs nothing and changes nothing."""

import errno
import socket

from project.servers.base import LaunchRefused

BACKLOG = 1024
HIGHEST_PORT = 65_535


def bind(host: str, port: int) -> socket.socket:
    """A bound TCP socket that does not listen yet. Raises `LaunchRefused`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError) as error:
        raise LaunchRefused(f"Cannot listen on {host}:{port}: {_reason(error)}.") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Two sockets may be bound with SO_REUSEADDR while none listens; only this tells them apart.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise LaunchRefused(_refusal(host, port, error)) from None
    listener.setblocking(False)
    return listener


def port_number(text: str) -> int:
    """Raises `LaunchRefused`. The resolver would take 99999 for 34463."""
    if text.isascii() and text.isdigit() and int(text) <= HIGHEST_PORT:
        return int(text)
    raise LaunchRefused(f"Bad port {text!r}: expected a whole number from 0 to {HIGHEST_PORT}.")


def base_url(host: str, listener: socket.socket) -> str:
    """Where a person on this machine opens the site."""
    port = listener.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    if ":" in shown and not shown.startswith("["):
        shown = f"[{shown}]"
    return f"http://{shown}:{port}/"


def _refusal(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken. Stop what listens there, or choose another, such as PORT={port + 1}."
    if error.errno == errno.EACCES:
        return f"Port {port} on {host} needs more rights. Choose one above 1023, such as PORT=8000."
    return f"Cannot listen on {host}:{port}: {_reason(error)}."


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
