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
        return Inflater(max_bytes, bare=layers == ["deflate"])
    raise ProviderGarbage(
        "The provider compressed its answer in a way that was not asked for.",
        detail=f"Content-Encoding: {content_encoding[:100]}",
    )


class Inflater:
    """One layer of gzip or deflate; holds no more than a step of output."""

    def __init__(self, max_bytes: int, *, bare: bool = False) -> None:
        """`bare`: it may come without a head. RFC 9110 means zlib by "deflate"; some send the naked stream."""
        self._left = max_bytes
        self._bare = bare
        self._head = b""
        self._stream: zlib._Decompress | None = None

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What this chunk of the wire opens to, in pieces of at most 256 kB. What follows its end is ignored.

        Raises:
            ProviderGarbage: it is broken, or the whole body is over its limit.
        """
        if self._stream is None:
            self._head += chunk
            if len(self._head) < 2:
                return
            chunk, self._stream = self._head, self._begin()
        while not self._stream.eof:
            try:
                piece = self._stream.decompress(chunk, STEP_BYTES)
            except zlib.error as error:
                raise ProviderGarbage(detail=f"Compressed badly: {error}") from error
            self._left -= len(piece)
            if self._left < 0:
                raise ProviderGarbage("The provider's answer is too large.")
            if piece:
                yield piece
            if len(piece) < STEP_BYTES:
                return
            chunk = self._stream.unconsumed_tail

    def _begin(self) -> "zlib._Decompress":
        # RFC 1950, 2.2: eight for "deflate", and a check that makes it a multiple of 31.
        wrapped = self._head[0] & 0x0F == 8 and int.from_bytes(self._head[:2], "big") % 31 == 0
        # 32: by its head, gzip or zlib.
        return zlib.decompressobj(
            wbits=-zlib.MAX_WBITS if self._bare and not wrapped else 32 + zlib.MAX_WBITS
        )
