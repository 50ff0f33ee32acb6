"""Attached images, as far as a script can see them: their size, from the first bytes."""

import base64
import binascii
import struct
from dataclasses import dataclass

HEAD_CHARACTERS = 256 * 1024
"""Of base64. A JPEG's size stands behind its metadata, which may hold a thumbnail."""

UNKNOWN_SIZE = (1000, 1000)
"""Many models give coordinates in thousandths."""

_NO_SIZE_MARKERS = frozenset({0xC4, 0xC8, 0xCC})


@dataclass(frozen=True)
class Picture:
    """`size` is width and height in pixels, None where it cannot be seen (a URL, a format unknown here)."""

    size: tuple[int, int] | None = None

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The middle half of it: x1, y1, x2, y2."""
        width, height = self.size or UNKNOWN_SIZE
        return width // 4, height // 4, width * 3 // 4, height * 3 // 4


def picture_of_url(url: str) -> Picture:
    """A `data:` URL can be looked into, others are left where they are."""
    head, _, data = url.partition(",")
    return picture_of_base64(data) if head.startswith("data:") and "base64" in head else Picture()


def picture_of_base64(data: str) -> Picture:
    head = data[:HEAD_CHARACTERS]
    try:
        return Picture(_size(base64.b64decode(head[: len(head) // 4 * 4])))
    except (binascii.Error, ValueError, struct.error, IndexError):
        return Picture()


def description_of(pictures: tuple[Picture, ...]) -> str:
    """A line for each image, with a box in the form `[x1, y1, x2, y2]`."""
    seen = "one image" if len(pictures) == 1 else f"{len(pictures)} images"
    lines = [f"Your message came with **{seen}**. I am a script, no language model, and see only the size."]
    for number, picture in enumerate(pictures, start=1):
        size = "{} × {} pixels".format(*picture.size) if picture.size else "of a size I cannot see"
        lines.append(f"- Image {number}, {size}: the middle of the picture {list(picture.box)}.")
    return lines[0] + "\n\n" + "\n".join(lines[1:]) + "\n"


def _size(head: bytes) -> tuple[int, int] | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    if head.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack("<HH", head[6:10])
        return width, height
    return _jpeg_size(head) if head.startswith(b"\xff\xd8") else None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """From the frame header (SOF0 to SOF15), the segments before it skipped."""
    at = 2
    while at + 9 < len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE_MARKERS:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None
