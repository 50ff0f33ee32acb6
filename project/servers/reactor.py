"""Twisted's reactor on uvloop. Daphne makes its own while it is imported unless there is one, so this comes first."""

import sys
from importlib import import_module
from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor


class UvloopReactor(AsyncioSelectorReactor):
    """Lets go of watchers that uvloop has closed behind our back.

    When a peer resets the connection, uvloop calls back once, closes its watcher, and keeps it under the descriptor's
    number. If that one call still found data to read, nobody has noticed the reset, and all that is tried on the
    connection later ends in "the handler is closed". A new watcher reports the reset again.
    """

    def addReader(self, reader: Any) -> None:  # noqa: N802
        stock: Any = super()
        try:
            stock.addReader(reader)
        except RuntimeError:
            self._asyncioEventloop.remove_reader(reader.fileno())
            stock.addReader(reader)

    def addWriter(self, writer: Any) -> None:  # noqa: N802
        stock: Any = super()
        try:
            stock.addWriter(writer)
        except RuntimeError:
            self._asyncioEventloop.remove_writer(writer.fileno())
            stock.addWriter(writer)


def install() -> Any:
    """Imports `daphne.server` on a uvloop loop and returns the reactor. Later calls return the same one."""
    if "daphne.server" not in sys.modules and sys.platform != "win32":
        import uvloop

        main: Any = import_module("twisted.internet.main")
        main.installReactor(UvloopReactor(uvloop.new_event_loop()))
        # It made one anyway, for the reactor that it did not have to install.
        import_module("daphne.server").twisted_loop.close()
    import_module("daphne.server")
    from twisted.internet import reactor

    return reactor
