"""The end of a server's loop and of its process, within a bound."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any, NoReturn

logger = logging.getLogger(__name__)

# For tasks to take their cancellation, for generators, and for the default executor's threads: each.
STEP_SECONDS = 0.3
LEAVE_SECONDS = 0.7


def finish_loop(loop: asyncio.AbstractEventLoop) -> None:
    """What `asyncio.run` does at its end, except that nothing may hold it up: tasks that outlive it crash at exit."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=STEP_SECONDS))
    loop.run_until_complete(_bounded(loop.shutdown_asyncgens()))
    loop.run_until_complete(_bounded(loop.shutdown_default_executor()))
    asyncio.set_event_loop(None)
    if not any(not task.done() for task in tasks):
        loop.close()


async def _bounded(step: Coroutine[Any, Any, None]) -> None:
    try:
        await asyncio.wait_for(step, STEP_SECONDS)
    except TimeoutError:
        logger.debug("A step of the loop's end took too long and was left behind.")


def leave(code: int) -> NoReturn:
    """Ends the process. Python itself would wait for threads that are busy with a request nobody reads any more."""
    watchdog = threading.Timer(LEAVE_SECONDS, _give_up, [code])
    watchdog.daemon = True
    watchdog.start()
    sys.exit(code)


def _give_up(code: int) -> None:
    logging.shutdown()
    os._exit(code)
