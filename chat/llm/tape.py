"""Notes what goes over the wire in one attempt, while it happens. No I/O; what is kept of it is decided at its end."""

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from chat.exceptions import ProviderError
from chat.llm.client import Endpoint
from chat.llm.dialects.base import WireRequest

BLOCK_BYTES: Final = 32_768
NOTHING_SENT: Final = WireRequest("", {}, b"")


class Tape:
    """Of one attempt. Secrets are still in it: only `chat.llm.redaction` makes something of it that may be kept."""

    def __init__(self, call: UUID, *, most_bytes: int, on_end: Callable[["Tape"], None]) -> None:
        """`most_bytes` of the answer are kept, its beginning. `on_end` must neither block nor raise."""
        self.call = call
        self.endpoint = Endpoint("")
        self.request = NOTHING_SENT
        self.status: int | None = None
        """None: there was no answer."""
        self.headers: Mapping[str, str] = {}
        self.outcome = ""
        """`completed`, `stopped`, or an error's code; "" while it runs."""
        self.detail = ""
        self._most_bytes = most_bytes
        self._packed_bytes = 0
        self._blocks: list[bytes] = []
        self._block = bytearray()
        self._on_end = on_end

    @contextmanager
    def recording(self, endpoint: Endpoint, request: WireRequest) -> Iterator[None]:
        """Around the attempt: how it leaves is how it ended."""
        self.endpoint, self.request = endpoint, request
        try:
            yield
        except ProviderError as error:
            self._end(error.code, error.detail or str(error))
            raise
        except asyncio.CancelledError:
            self._end("stopped")
            raise
        except Exception as error:
            self._end("internal", f"{type(error).__name__}: {error}")
            raise
        else:
            self._end("completed")

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers

    def take(self, data: bytes) -> None:
        """Bytes as the dialect is fed with them. Called for every piece of a stream: an append and a comparison."""
        block = self._block
        block += data
        if len(block) >= BLOCK_BYTES:
            self._pack()

    @property
    def fed_bytes(self) -> int:
        """How many there were, kept or not."""
        return self._packed_bytes + len(self._block)

    @property
    def truncated(self) -> bool:
        return self.fed_bytes > self._most_bytes

    @property
    def held_bytes(self) -> int:
        """Memory, roughly."""
        return len(self.request.body) + sum(map(len, self._blocks)) + len(self._block)

    def body(self) -> bytes:
        """The beginning of the answer's body. Takes milliseconds: not for the event loop."""
        return b"".join([*map(zlib.decompress, self._blocks), self._kept_of_block()])

    def _pack(self) -> None:
        # Each block stands alone: a compressor that stays open takes 256 kB, and there are hundreds of attempts.
        if kept := self._kept_of_block():
            self._blocks.append(zlib.compress(kept, 1))
        self._packed_bytes += len(self._block)
        self._block.clear()

    def _kept_of_block(self) -> bytes:
        return bytes(self._block[: max(0, self._most_bytes - self._packed_bytes)])

    def _end(self, outcome: str, detail: str = "") -> None:
        self.outcome, self.detail = outcome, detail
        self._on_end(self)
