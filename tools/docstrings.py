"""What a docstring says of a function and of its parameters, in the form this project writes them.

    What it does, in any number of paragraphs.

    Args:
        city: what this one is for,
            over several lines if need be.

Everything from the first section on is for people and stays out of the description.
"""

import inspect
import re
from typing import Final

from msgspec import Struct

_SECTION: Final = re.compile(r"(Args|Arguments|Returns|Raises|Yields|Example|Examples|Note|Notes):")
_PARAMETER: Final = re.compile(r"(\w+)(?: \([^)]*\))?:\s*(.*)")


class Docstring(Struct, frozen=True):
    description: str
    parameters: dict[str, str]


def read_docstring(text: str) -> Docstring:
    lines = inspect.cleandoc(text).splitlines()
    first = next((at for at, line in enumerate(lines) if _SECTION.fullmatch(line.strip())), len(lines))
    return Docstring(_joined(lines[:first]), _parameters(lines))


def _joined(lines: list[str]) -> str:
    """Paragraphs, each on one line: where a line of the source ends means nothing."""
    paragraphs = "\n".join(line.strip() for line in lines).strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _parameters(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name, inside, depth = "", False, 0
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent == 0:
            inside, name = line.strip() in {"Args:", "Arguments:"}, ""
        elif inside and line.strip():
            begins = _PARAMETER.fullmatch(line.strip())
            if begins and (not name or indent <= depth):
                name, depth = begins[1], indent
                found[name] = begins[2]
            elif name:
                found[name] = f"{found[name]} {line.strip()}".strip()
    return found
