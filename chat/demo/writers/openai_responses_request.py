"""Reads a request of the Responses protocol.

Source: OpenAI's API reference, `POST /responses`. Nothing is stored: `previous_response_id` is refused.
"""

from collections.abc import Mapping
from typing import Any

from chat.demo.pictures import Picture, picture_of_url
from chat.demo.script import BadRequest, DeclaredTool, DemoRequest
from chat.demo.writers.reading import Message, limit_of, mapping, model_of, object_of, objects, request_of

LEAST_OUTPUT_TOKENS = 16

_TEXTS = ("input_text", "output_text", "text", "refusal")
_CALLS = ("function_call", "custom_tool_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")


def read_request(body: Any) -> DemoRequest:
    body = object_of(body)
    model = model_of(body)
    if body.get("previous_response_id"):
        raise BadRequest("Previous response not found: this server stores none.")
    raw = body.get("input")
    items = [{"role": "user", "content": raw}] if isinstance(raw, str) else objects(raw, "input")
    limit = limit_of(body.get("max_output_tokens"), "max_output_tokens", LEAST_OUTPUT_TOKENS)
    options = mapping(body.get("stream_options"))
    return request_of(
        [message for item in items if (message := _message(item)) is not None],
        model=model,
        tools=tuple(
            DeclaredTool(str(tool["name"]), mapping(tool.get("parameters")))
            for tool in objects(body.get("tools"), "tools")
            if "name" in tool
        ),
        tool_choice=_choice(body.get("tool_choice")),
        schema=_schema(mapping(mapping(body.get("text")).get("format"))),
        stream=bool(body.get("stream")),
        include_usage=True,
        include_encrypted_reasoning="reasoning.encrypted_content" in (body.get("include") or ()),
        obfuscate=options.get("include_obfuscation") is not False,
        max_output_tokens=limit,
        conversation=items,
    )


def _message(item: dict[str, Any]) -> Message | None:
    kind = item.get("type", "message")
    if kind == "message":
        text, pictures = _content(item.get("content"))
        return Message(str(item.get("role")), text, pictures)
    call = str(item.get("call_id"))
    if kind in _CALLS:
        return Message("assistant", calls={call: str(item.get("name"))})
    if kind in _RESULTS:
        return Message("tool", results={call: _content(item.get("output"))[0]})
    return None


def _content(content: Any) -> tuple[str, tuple[Picture, ...]]:
    if not isinstance(content, list):
        return content if isinstance(content, str) else "", ()
    parts = objects(content, "content")
    texts = [str(part.get("text", part.get("refusal", ""))) for part in parts if part.get("type") in _TEXTS]
    images = [part for part in parts if part.get("type") == "input_image"]
    return "\n".join(texts), tuple(picture_of_url(str(part.get("image_url", ""))) for part in images)


def _choice(choice: Any) -> str:
    if isinstance(choice, str):
        return choice
    return str(mapping(choice).get("name") or "auto")


def _schema(wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if wanted.get("type") == "json_schema":
        return mapping(wanted.get("schema"))
    return {} if wanted.get("type") == "json_object" else None
