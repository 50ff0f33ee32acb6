"""Tools whose effects are counted in a file, which is the world outside that no database undoes."""

import json
import os
import time
from pathlib import Path

from tools.base import tool
from tools.context import ToolContext

TELL_SECONDS = 0.25


def _note(what: str, context: ToolContext, name: str) -> None:
    line = {"what": what, "invocation": context.invocation_id, "name": name, "pid": os.getpid()}
    with Path(os.environ["OUTSIDE"]).open("a") as outside:
        outside.write(json.dumps({**line, "parent": os.getppid(), "at": time.time()}) + "\n")


def _stay(context: ToolContext, name: str, seconds: float) -> str:
    _note("began", context, name)
    # How long is a matter of the worker, so that one holds what another would have done at once.
    context.wait(seconds or float(os.environ.get("STAY_SECONDS", "0.1")))
    _note("ended", context, name)
    return f"{name} was here"


@tool(idempotent=True, timeout_seconds=60)
def stay_again(context: ToolContext, name: str, seconds: float = 0.0) -> str:
    """Stays for a while; may be run twice."""
    return _stay(context, name, seconds)


@tool(timeout_seconds=60)
def stay_once(context: ToolContext, name: str, seconds: float = 0.0) -> str:
    """Stays for a while; must not be run twice."""
    return _stay(context, name, seconds)


@tool(timeout_seconds=60)
def report(context: ToolContext, name: str, seconds: float) -> str:
    """Tells how far it is, and what time it was then."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        context.progress(1 - left / seconds, repr(time.time()))
        context.wait(TELL_SECONDS)
    return f"{name} is done"


@tool(timeout_seconds=60)
def never_look_up(context: ToolContext, name: str, seconds: float) -> str:
    """Sleeps in one piece, and hears of no stop."""
    _note("began", context, name)
    time.sleep(seconds)
    _note("ended", context, name)
    return name


@tool(timeout_seconds=1)
def sleep_on(context: ToolContext, name: str) -> str:
    """Sleeps in one piece, and never looks at the time."""
    _note("began", context, name)
    time.sleep(60)
    _note("ended", context, name)
    return name


@tool(timeout_seconds=1)
def hang_in_c(context: ToolContext, name: str) -> str:
    """Sleeps where no exception reaches it, with the soft limit's signal blocked as well."""
    import signal

    _note("began", context, name)
    if os.environ.get("POOL") == "prefork":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    time.sleep(60)
    _note("ended", context, name)
    return name
