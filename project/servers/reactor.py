"""Twisted's reactor on uvloop. Daphne makes its event loop while it is imported, so this comes first."""

import asyncio
import sys
import warnings
from importlib import import_module
from typing import Any


def install() -> Any:
    """Imports `daphne.server` on a uvloop loop and returns the reactor. Later calls return the same one.

    The policy is put back afterwards: only this loop is meant, not every loop of the process.
    """
    if "daphne.server" not in sys.modules and sys.platform != "win32":
        import uvloop

        with warnings.catch_warnings():
            # Loop policies are on their way out (Python 3.14), but daphne asks for its loop in no other way.
            warnings.simplefilter("ignore", DeprecationWarning)
            policy = asyncio.get_event_loop_policy()
            asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
            try:
                import_module("daphne.server")
            finally:
                asyncio.set_event_loop_policy(policy)
    import_module("daphne.server")
    from twisted.internet import reactor

    return reactor
