"""WebSocket frames as a server sends them (RFC 6455, 5.2)."""

import struct

FINAL_TEXT, FINAL_BINARY = 0x81, 0x82


def frame_head(first: int, length: int) -> bytes:
    """The head of an unmasked, unfragmented frame; `first` is its first byte."""
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)
