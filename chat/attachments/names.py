"""What files are called. Names come from tools and people, and end up on other people's disks."""

import re
import unicodedata
from typing import Final

NAME_CHARACTERS: Final = 150
NAME_BYTES: Final = 200
"""In UTF-8. Most file systems take 255, and a browser may add ` (1)`."""
ANY_TYPE: Final = "application/octet-stream"

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,40}/[a-z0-9][a-z0-9!#$&^_.+-]{0,57}")
_REFUSED = re.compile(r'[<>:"|?*]')
"""By Windows."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_JOINERS = "\u200c\u200d"
"""Not seen either, but Persian is not written without them."""
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of Unicode that are not seen. Some turn what follows around: `exe` would read as `gpj`."""


def clean_name(name: str) -> str:
    """Without folders, without what no file system takes or no reader sees, and not too long; never empty."""
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    name = "".join(sign for sign in name if sign in _JOINERS or unicodedata.category(sign) not in _HIDDEN)
    name = _REFUSED.sub("_", " ".join(name.split())).strip(". ")
    if _DEVICES.match(name):
        name = f"_{name}"
    return _short(name) or "file"


def clean_type(media_type: str) -> str:
    """`type/subtype` without parameters; "just bytes" for what is none."""
    bare = media_type.split(";")[0].strip().lower()
    return bare if _TYPE.fullmatch(bare) else ANY_TYPE


def _short(name: str) -> str:
    """The end tells what it is, so the middle goes."""
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > 20:
        stem, dot, ending = name, "", ""
    room = NAME_BYTES - len((dot + ending).encode())
    stem = stem[: NAME_CHARACTERS - len(dot + ending)].encode()[:room].decode("utf-8", "ignore").rstrip()
    return stem + dot + ending
