"""How many tokens a call had where its provider does not say: by its characters, and by what the model has reported."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from chat.llm.messages import (
    ChatMessage,
    FilePart,
    ImagePart,
    ModelRequest,
    Part,
    ToolCallPart,
    ToolResultPart,
    ToolSchema,
)
from chat.usage.pricing import estimate_tokens

RULE: Final = "characters-2"
"""Its name in the ledger; another rule has another number, so that no ratio of one is used for the other."""
IMAGE_TOKENS: Final = 800
"""Between what the big houses count for a picture of a million points: 258, 765, about 1,400."""
BYTES_A_TOKEN: Final = 4
"""Of files, whatever is in them."""
MOST_MEASURED: Final = 50_000
"""Characters of a request that are looked at only to learn from: on an event loop that has other things to do."""
ONE: Final = 1000


class Ratios(Struct, frozen=True):
    """What a model reports for each token of the rule, in thousandths."""

    input: int = ONE
    output: int = ONE


class Measured(Struct, frozen=True):
    """What the rule says of one call. `input` None: it was too long to be looked at, and nobody needed to know."""

    input: int | None
    output: int

    def by(self, ratios: Ratios) -> tuple[int, int]:
        """Estimated input and output, rounded up."""
        return scaled(self.input or 0, ratios.input), scaled(self.output, ratios.output)

    def noted(self, ratios: Ratios | None = None) -> dict[str, Any]:
        """As the ledger keeps it: the rule and what it says, and the ratios where its figures were used."""
        said: dict[str, Any] = {"rule": RULE, "input": self.input, "output": self.output}
        if ratios is not None:
            said |= {"input_ratio": ratios.input / ONE, "output_ratio": ratios.output / ONE}
        return said


def scaled(tokens: int, ratio: int) -> int:
    return -(-tokens * ratio // ONE)


def estimate_input(
    request: ModelRequest, said: Sequence[ChatMessage] = (), *, most_characters: int | None = None
) -> int | None:
    """By the rule: system, messages with their calls and results, and the tools as they are described. `said` comes
    after the request's own messages. None where there are more than `most_characters`."""
    texts = [request.system, *(text for tool in request.tools for text in _texts_of_tool(tool))]
    flat = 0
    for message in (*request.messages, *said):
        for part in message.parts:
            texts += _texts_of(part)
            flat += _flat_tokens(part)
    if most_characters is not None and sum(map(len, texts)) > most_characters:
        return None
    return estimate_tokens("".join(texts)) + flat


def estimate_stored(parts: Iterable[dict[str, Any]]) -> int:
    """Of parts as they are stored: what a later step was told of an earlier one."""
    texts = []
    for part in parts:
        texts.append(part.get("text", ""))
        for name in ("arguments", "result"):
            value = part.get(name)
            texts.append(value if isinstance(value, str) else "" if value is None else _json(value))
    return estimate_tokens("".join(texts))


def _texts_of(part: Part) -> Iterable[str]:
    match part:
        case ToolCallPart(name=name, arguments=arguments):
            return (name, arguments)
        case ToolResultPart(result=result):
            return (result,)
        case _:
            return (getattr(part, "text", ""),)


def _flat_tokens(part: Part) -> int:
    match part:
        case ImagePart():
            return IMAGE_TOKENS
        case FilePart(data=data):
            return len(data) // BYTES_A_TOKEN
        case _:
            return 0


def _texts_of_tool(tool: ToolSchema) -> Iterable[str]:
    return (tool.name, tool.description, _json(tool.parameters))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
