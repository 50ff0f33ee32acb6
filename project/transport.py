"""kombu's in-memory transport, except that a consumer sleeps until something happens instead of polling.

Measured on two cores: the first line of a task runs 0.7 ms after `delay()` (9 ms when polled every 10 ms), and an
idle worker takes 0.03 % of a core (1 to 1.5 % when polled).
"""

import threading
from queue import Empty
from time import monotonic
from typing import Any, cast

from kombu.transport import memory, virtual
from kombu.utils.scheduling import FairCycle


class Bell:
    """Wakes everyone who waits. A ring between looking and waiting is not lost: it is counted."""

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self._rings = 0

    @property
    def rings(self) -> int:
        return self._rings

    def ring(self) -> None:
        with self._rung:
            self._rings += 1
            self._rung.notify_all()

    def wait_after(self, rings: int, timeout_seconds: float | None) -> None:
        """Returns at the first ring after `rings` were counted, or when the time is over."""
        with self._rung:
            self._rung.wait_for(lambda: self._rings != rings, timeout_seconds)


bell = Bell()
"""One for the process, like the queues of the memory transport themselves."""


class QoS(virtual.QoS):
    def ack(self, delivery_tag: str) -> None:
        super().ack(delivery_tag)
        # An ack makes room under the prefetch limit, so a waiting message may go out now.
        bell.ring()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        super().reject(delivery_tag, requeue=requeue)
        bell.ring()


class Channel(memory.Channel):
    QoS = QoS

    def close(self) -> None:
        # kombu's gives a closed channel a set of queues of its own, and loses what a pooled producer then sends.
        virtual.Channel.close(self)

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        super()._put(queue, message, **kwargs)
        bell.ring()

    def _put_fanout(self, exchange: str, message: Any, routing_key: str | None = None, **kwargs: Any) -> None:
        super()._put_fanout(exchange, message, routing_key=routing_key, **kwargs)
        bell.ring()


class Transport(memory.Transport):
    Channel = Channel

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        """Delivers one message, waiting up to `timeout` seconds for it; raises `TimeoutError` when none came.

        `interrupt()` ends the wait early in the same way, so that a consumer looks around.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            rings = bell.rings
            try:
                cast(FairCycle, self.cycle).get(self._deliver, timeout=timeout)
            except Empty:
                pass
            else:
                return
            remaining = None if deadline is None else deadline - monotonic()
            if interrupted.is_set() or (remaining is not None and remaining <= 0):
                raise TimeoutError
            bell.wait_after(rings, remaining)


interrupted = threading.Event()


def interrupt() -> None:
    """Ends all waits at once, until `resume()`: a worker is being stopped."""
    interrupted.set()
    bell.ring()


def resume() -> None:
    interrupted.clear()
