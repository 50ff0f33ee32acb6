"""Asking the database from a thread on which an event loop runs, where Django refuses to."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def beside_the_loop(ask: Callable[[], T]) -> T:
    """Here and now where no loop runs, else on a thread that is made for it, and waited for.

    For what an `async def` tool asks of its context: the loop is the tool's own, and may stand still meanwhile.
    """
    if asyncio._get_running_loop() is None:
        return ask()

    def in_a_thread() -> T:
        try:
            return ask()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(in_a_thread).result()
