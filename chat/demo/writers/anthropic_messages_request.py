"""Reads a request of the Messages protocol.

Source: Anthropic's API reference, `POST /v1/messages`.
"""

from typing import Any

from chat.demo.pictures import Picture, picture_of_base64
from chat.demo.script import BadRequest, DeclaredTool, DemoRequest
from chat.demo.writers.reading import Message, limit_of, mapping, model_of, object_of, objects, request_of

_CHOICES = {"any": "required", "auto": "auto", "none": "none"}


def read_request(body: Any) -> DemoRequest:
    body = object_of(body)
    model = model_of(body)
    raw = objects(body.get("messages"), "messages")
    if not raw:
        raise BadRequest("messages: at least one message is required")
    if body.get("max_tokens") is None:
        raise BadRequest("max_tokens: Field required")
    choice = mapping(body.get("tool_choice"))
    wanted = mapping(mapping(body.get("output_config")).get("format"))
    return request_of(
        [_message(message) for message in raw],
        model=model,
        tools=tuple(
            DeclaredTool(str(tool["name"]), mapping(tool.get("input_schema")))
            for tool in objects(body.get("tools"), "tools")
            if "name" in tool
        ),
        tool_choice=_CHOICES.get(str(choice.get("type", "auto")), str(choice.get("name") or "auto")),
        schema=mapping(wanted.get("schema")) if wanted.get("type") == "json_schema" else None,
        stream=bool(body.get("stream")),
        include_usage=True,
        max_output_tokens=limit_of(body["max_tokens"], "max_tokens"),
        conversation=raw,
    )


def _message(raw: dict[str, Any]) -> Message:
    role, content = str(raw.get("role")), raw.get("content")
    if isinstance(content, str):
        return Message(role, content)
    texts: list[str] = []
    pictures: list[Picture] = []
    message = Message(role)
    for block in objects(content, "content"):
        kind = block.get("type")
        if kind == "text":
            texts.append(str(block.get("text", "")))
        elif kind == "image":
            pictures.append(_picture(block))
        elif kind == "tool_use":
            message.calls[str(block.get("id"))] = str(block.get("name"))
        elif kind == "tool_result":
            message.results[str(block.get("tool_use_id"))] = _result(block.get("content"))
    message.text, message.pictures = "\n".join(texts), tuple(pictures)
    return message


def _picture(block: dict[str, Any]) -> Picture:
    source = mapping(block.get("source"))
    return picture_of_base64(str(source.get("data", ""))) if source.get("type") == "base64" else Picture()


def _result(content: Any) -> str:
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    blocks = objects(content, "content")
    return "\n".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")
