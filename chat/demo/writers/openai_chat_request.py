"""Reads a request of Chat Completions.

Source: OpenAI's API reference, `POST /chat/completions`, with the older `functions` and `function_call`.
"""

from collections.abc import Mapping
from typing import Any

from chat.demo.pictures import Picture, picture_of_url
from chat.demo.script import BadRequest, DeclaredTool, DemoRequest
from chat.demo.writers.reading import Message, limit_of, mapping, model_of, object_of, objects, request_of


def read_request(body: Any) -> DemoRequest:
    body = object_of(body)
    model = model_of(body)
    raw = objects(body.get("messages"), "messages")
    if not raw:
        raise BadRequest("'messages' must be a list of at least one message.")
    options = mapping(body.get("stream_options"))
    limit = body.get("max_completion_tokens")
    return request_of(
        [_message(message) for message in raw],
        model=model,
        tools=tuple(_tools(body)),
        tool_choice=_choice(body),
        schema=_schema(mapping(body.get("response_format"))),
        stream=bool(body.get("stream")),
        include_usage=bool(options.get("include_usage")),
        obfuscate=options.get("include_obfuscation") is not False,
        max_output_tokens=limit_of(limit if limit is not None else body.get("max_tokens"), "max_tokens"),
        conversation=raw,
    )


def _message(raw: dict[str, Any]) -> Message:
    role = str(raw.get("role"))
    text, pictures = _content(raw.get("content"))
    if role == "tool":
        return Message(role, results={str(raw.get("tool_call_id")): text})
    if role == "function":
        return Message(role, results={str(raw.get("name")): text})
    calls = {
        str(call.get("id")): str(mapping(call.get("function")).get("name"))
        for call in objects(raw.get("tool_calls"), "tool_calls")
    }
    if isinstance(raw.get("function_call"), dict):
        name = str(raw["function_call"].get("name"))
        calls[name] = name
    return Message(role, text, pictures, calls)


def _content(content: Any) -> tuple[str, tuple[Picture, ...]]:
    if not isinstance(content, list):
        return content if isinstance(content, str) else "", ()
    parts = objects(content, "content")
    text = "\n".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    urls = [mapping(part.get("image_url")).get("url") for part in parts if part.get("type") == "image_url"]
    return text, tuple(picture_of_url(str(url)) for url in urls)


def _tools(body: Mapping[str, Any]) -> list[DeclaredTool]:
    functions = [mapping(tool.get("function")) for tool in objects(body.get("tools"), "tools")]
    functions += objects(body.get("functions"), "functions")
    return [
        DeclaredTool(str(each["name"]), mapping(each.get("parameters")))
        for each in functions
        if "name" in each
    ]


def _choice(body: Mapping[str, Any]) -> str:
    choice = body.get("tool_choice", body.get("function_call"))
    if isinstance(choice, str):
        return choice
    choice = mapping(choice)
    return str(mapping(choice.get("function")).get("name") or choice.get("name") or "auto")


def _schema(wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if wanted.get("type") == "json_schema":
        return mapping(mapping(wanted.get("json_schema")).get("schema"))
    return {} if wanted.get("type") == "json_object" else None
