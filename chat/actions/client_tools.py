"""Tools that a caller brings with a run and runs itself: which may be offered to a model."""

import re
from collections.abc import Collection
from typing import Any, Final

import msgspec

from chat.exceptions import InvalidRequest, TooLarge

MOST_TOOLS: Final = 32
MOST_BYTES: Final = 65_536
"""All of them together, as JSON."""
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What every provider takes."""
FIELD: Final = "options.client_tools"


class ClientTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As it stands in `options.client_tools`; `parameters` is a JSON schema of an object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    """None: it takes no arguments."""


def check_client_tools(given: Any, taken: Collection[str]) -> None:
    """`taken` are the names of our own tools that the user may use.

    Raises:
        InvalidRequest, TooLarge: they cannot be offered; the words say why.
    """
    try:
        tools = msgspec.convert(given, list[ClientTool])
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"A tool of the caller is none: {error}.", field=FIELD) from None
    if len(tools) > MOST_TOOLS:
        raise InvalidRequest(f"A run may bring {MOST_TOOLS} tools at most.", field=FIELD)
    if len(msgspec.json.encode(given)) > MOST_BYTES:
        raise TooLarge("The tools of a run may have 64 kB at most.", field=FIELD)
    seen: set[str] = set()
    for tool in tools:
        if not NAME.fullmatch(tool.name):
            raise InvalidRequest(
                "The name of a tool has 1 to 64 letters, digits, _ and - (no accents).", field=FIELD
            )
        if tool.name in seen or tool.name in taken:
            raise InvalidRequest(f"There are two tools called {tool.name}.", field=FIELD)
        if tool.parameters is not None and tool.parameters.get("type") != "object":
            raise InvalidRequest(
                f'The parameters of {tool.name} are no schema of an object ("type": "object").', field=FIELD
            )
        seen.add(tool.name)
