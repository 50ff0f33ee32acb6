"""Compressed bodies, opened in bounded steps. No I/O.

We ask for `identity`; some servers compress anyway. httpx inflates whatever a chunk holds in one go, and any
number of layers: 2.6 kB became 1.5 GB.
"""

import zlib
from collections.abc import Generator, Iterator

from chat.exceptions import ProviderGarbage
from chat.llm.sse import MAX_STREAM_BYTES

STEP_BYTES = 256 * 1024
CUT_BYTES = 16 * 1024
GZIP_HEAD = b"\x1f\x8b"


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
        self._members = False
        """One has been opened to its end."""
        self._over = False

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What this chunk of the wire opens to, in pieces of at most 256 kB.

        A body of gzip may have several members (RFC 1952, 2.2), for which the bound holds together. What follows
        the last one, padding or not, is ignored.

        Raises:
            ProviderGarbage: it is broken, or the whole body is over its limit.
        """
        # What follows a member is copied for each: small cuts keep many small members cheap.
        for at in range(0, len(chunk), CUT_BYTES):
            cut = chunk[at : at + CUT_BYTES]
            while cut and not self._over:
                cut = yield from self._opened(cut)

    def _opened(self, cut: bytes) -> Generator[bytes, None, bytes]:
        """Opens up to the end of a member; returns what follows it."""
        if self._stream is None:
            self._head = self._head + cut if self._head or not self._members else cut.lstrip(b"\0")
            if self._members and not GZIP_HEAD.startswith(self._head[:2]):
                self._over = True
            if self._over or len(self._head) < 2:
                return b""
            cut, self._stream, self._head = self._head, self._begin(), b""
        stream = self._stream
        while True:
            try:
                piece = stream.decompress(cut, STEP_BYTES)
            except zlib.error as error:
                raise ProviderGarbage(detail=f"Compressed badly: {error}") from error
            self._left -= len(piece)
            if self._left < 0:
                raise ProviderGarbage("The provider's answer is too large.")
            if piece:
                yield piece
            if stream.eof:
                self._stream, self._members, self._over = None, True, self._bare
                return stream.unused_data
            if len(piece) < STEP_BYTES:
                return b""
            cut = stream.unconsumed_tail

    def _begin(self) -> "zlib._Decompress":
        # RFC 1950, 2.2: eight for "deflate", and a check that makes it a multiple of 31.
        wrapped = self._head[0] & 0x0F == 8 and int.from_bytes(self._head[:2], "big") % 31 == 0
        # 32: by its head, gzip or zlib.
        return zlib.decompressobj(
            wbits=-zlib.MAX_WBITS if self._bare and not wrapped else 32 + zlib.MAX_WBITS
        )
