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
        self._inflate: zlib._Decompress | None = None

    def feed(self, chunk: bytes) -> None:
        """
        Raises:
            BadAnswer: it is more than may be kept, or cannot be decompressed.
        """
        self._arrived += len(chunk)
        if self._arrived > self._most:
            raise self._too_large()
        try:
            if self._encoding in {"", "identity"}:
                self._keep(chunk)
            else:
                self._feed_compressed(chunk)
        except zlib.error as error:
            raise BadAnswer("The answer is broken: it cannot be decompressed.") from error

    def _feed_compressed(self, chunk: bytes) -> None:
        while chunk:
            member = self._inflate = self._inflate or self._decompressor(chunk)
            self._keep(member.decompress(chunk, self._left + 1))
            chunk = member.unconsumed_tail
            if member.eof:
                chunk, self._inflate = member.unused_data, None

    def _decompressor(self, first: bytes) -> "zlib._Decompress":
        if self._encoding != "deflate":
            return zlib.decompressobj(_GZIP)
        # RFC 9110: deflate has a zlib header; some servers leave it away.
        wrapped = first[0] & 0x0F == zlib.DEFLATED
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
