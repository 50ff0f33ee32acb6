"""Compressed bodies, opened in bounded steps. No I/O.

We ask for `identity`; some servers compress anyway. httpx inflates whatever a chunk holds in one go, and any
number of layers: 2.6 kB became 1.5 GB.
"""

import zlib
from collections.abc import Iterator

from chat.exceptions import ProviderGarbage
from chat.llm.sse import MAX_STREAM_BYTES

STEP_BYTES = 256 * 1024


def inflater(content_encoding: str, *, max_bytes: int = MAX_STREAM_BYTES) -> "Inflater | None":
    """What opens a body with this header; None: it is not compressed.

    Raises:
        ProviderGarbage: more than one layer, or one that we do not know.
    """
    layers = [
        name for name in content_encoding.lower().replace(" ", "").split(",") if name not in ("", "identity")
    ]
    if not layers:
        return None
    if layers in (["gzip"], ["x-gzip"], ["deflate"]):
        return Inflater(max_bytes)
    raise ProviderGarbage(
        "The provider compressed its answer in a way that was not asked for.",
        detail=f"Content-Encoding: {content_encoding[:100]}",
    )


class Inflater:
    """One layer of gzip or deflate; holds no more than a step of output."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        # 32: by its head, gzip or zlib.
        self._stream = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
        self._begun = False

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What this chunk of the wire opens to, in pieces of at most 256 kB. What follows its end is ignored.

        Raises:
            ProviderGarbage: it is broken, or the whole body is over its limit.
        """
        while not self._stream.eof:
            piece = self._step(chunk)
            self._left -= len(piece)
            if self._left < 0:
                raise ProviderGarbage("The provider's answer is too large.")
            if piece:
                yield piece
            if len(piece) < STEP_BYTES:
                return
            chunk = self._stream.unconsumed_tail

    def _step(self, chunk: bytes) -> bytes:
        try:
            piece = self._stream.decompress(chunk, STEP_BYTES)
        except zlib.error as error:
            if self._begun:
                raise ProviderGarbage(detail=f"Compressed badly: {error}") from error
            # RFC 9110 means zlib by "deflate"; some send it bare.
            self._begun, self._stream = True, zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            return self._step(chunk)
        self._begun = self._begun or bool(piece)
        return piece
