"""What the three protocols' requests have in common, once their messages are told apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chat.demo.pictures import Picture
from chat.demo.script import BadRequest, DemoRequest, ToolAnswer

CHARACTERS_A_TOKEN = 4
TOKENS_A_PICTURE = 85


@dataclass
class Message:
    """`calls` are the names by id, `results` the texts by the id of the call they answer."""

    role: str
    text: str = ""
    pictures: tuple[Picture, ...] = ()
    calls: dict[str, str] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)

    @property
    def asks(self) -> bool:
        return self.role == "user" and bool(self.text or self.pictures or not self.results)

    @property
    def tokens(self) -> int:
        """A rough count, as good as any without a tokenizer: never 0."""
        characters = len(self.text) + sum(map(len, self.results.values()))
        return 1 + characters // CHARACTERS_A_TOKEN + len(self.pictures) * TOKENS_A_PICTURE


def object_of(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadRequest("The body is not a JSON object.")
    return body


def model_of(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequest("You must provide a model parameter.")
    return model


def objects(value: Any, name: str) -> list[dict[str, Any]]:
    """A list of objects, empty where there is none. Raises `BadRequest`."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadRequest(f"'{name}' must be a list of objects.")
    return value


def limit_of(value: Any, name: str, least: int = 1) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadRequest(f"'{name}' must be a whole number of at least {least}.")
    return value


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def request_of(messages: list[Message], **more: Any) -> DemoRequest:
    """The request that these messages make; the other fields come as they are. Raises `BadRequest`."""
    asking = [position for position, message in enumerate(messages) if message.asks]
    if not asking:
        raise BadRequest("There is no user message.")
    names = {call: name for message in messages for call, name in message.calls.items()}
    _check_calls(names, {call for message in messages for call in message.results})
    last = messages[asking[-1]]
    earlier = sum(message.tokens for message in messages[:-1])
    return DemoRequest(
        prompt=last.text,
        turn=len(asking),
        pictures=last.pictures,
        results=tuple(
            ToolAnswer(names[call], text)
            for message in messages[asking[-1] + 1 :]
            for call, text in message.results.items()
        ),
        input_tokens=earlier + messages[-1].tokens,
        cached_tokens=earlier,
        **more,
    )


def _check_calls(called: Mapping[str, str], answered: set[str]) -> None:
    """Every provider refuses calls without their results and results without their call."""
    for call in answered - called.keys():
        raise BadRequest(f"No tool call found for the result with the id '{call}'.")
    for call in called.keys() - answered:
        raise BadRequest(f"No tool output found for the call with the id '{call}'.")
