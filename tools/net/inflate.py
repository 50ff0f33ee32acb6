"""Takes compression off a body, never making more of it than may be kept."""

import zlib
from typing import Final

from tools.net.errors import BadAnswer

ACCEPTED: Final = "gzip, deflate"
_GZIP: Final = 16 + zlib.MAX_WBITS


class Body:
    """Grows to at most `most_bytes`, compressed or not."""

    def __init__(self, encoding: str, most_bytes: int) -> None:
        """
        Raises:
            BadAnswer: an encoding that was not asked for.
        """
        self.content = bytearray()
        self._encoding = encoding.strip().lower()
        self._left = most_bytes
        self._arrived = 0
        self._most = most_bytes
        if self._encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise BadAnswer(f"The answer is compressed in a way that was not asked for ({encoding[:40]}).")
        self._inflate = None if self._encoding in {"", "identity"} else self._decompressor(b"\x78")

    def feed(self, chunk: bytes) -> None:
        """
        Raises:
            BadAnswer: it is more than may be kept, or cannot be decompressed.
        """
        self._arrived += len(chunk)
        if self._arrived > self._most:
            raise self._too_large()
        if self._inflate is None:
            self._keep(chunk)
            return
        try:
            self._feed_compressed(chunk)
        except zlib.error as error:
            raise BadAnswer("The answer is broken: it cannot be decompressed.") from error

    def _feed_compressed(self, chunk: bytes) -> None:
        if self._arrived == len(chunk) and chunk:
            self._inflate = self._decompressor(chunk)
        while chunk:
            assert self._inflate is not None
            self._keep(self._inflate.decompress(chunk, self._left + 1))
            chunk = self._inflate.unconsumed_tail
            if self._inflate.eof:
                chunk = self._inflate.unused_data
                self._inflate = self._decompressor(chunk)

    def _decompressor(self, first: bytes) -> "zlib._Decompress":
        if self._encoding != "deflate":
            return zlib.decompressobj(_GZIP)
        # RFC 9110: deflate has a zlib header; some servers leave it away.
        wrapped = first[:1] and first[0] & 0x0F == 8
        return zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)

    def _keep(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._left < 0:
            raise self._too_large()
        self.content += piece

    def _too_large(self) -> BadAnswer:
        return BadAnswer(
            f"The answer is larger than {self._most // 1000:,} kB, which is the most that is read."
        )
