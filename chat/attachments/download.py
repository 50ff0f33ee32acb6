"""A file as an answer over HTTP: piece by piece, whatever its size, and nothing in it is ever run by a browser."""

import asyncio
from typing import IO, Final

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from chat.attachments.contents import Contents
from chat.models import Attachment

PIECE_BYTES: Final = 65_536


class Pieces:
    """The file's bytes, read on a thread when the one who is sent them has taken those before."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __aiter__(self) -> "Pieces":
        return self

    async def __anext__(self) -> bytes:
        piece = await asyncio.to_thread(self._file.read, PIECE_BYTES)
        if not piece:
            raise StopAsyncIteration
        return piece

    def close(self) -> None:
        """Called by the response when it is over, read to its end or not."""
        self._file.close()


def download(attachment: Attachment, contents: Contents) -> StreamingHttpResponse:
    """
    Raises:
        Gone: the bytes are not there.
    """
    file = contents.open(attachment.sha256, attachment.size)
    return StreamingHttpResponse(
        Pieces(file),
        content_type=attachment.media_type,
        headers={
            "Content-Length": str(attachment.size),
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=attachment.name),
            "X-Content-Type-Options": "nosniff",
            # It may be a page with scripts, and it comes from our address.
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, no-store",
        },
    )
