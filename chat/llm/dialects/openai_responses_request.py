"""Writes a request of the Responses protocol (`POST {base}/responses`)."""

from typing import Any

from chat.llm.dialects.openai_responses_tools import DIALECT
from chat.llm.dialects.turns import (
    Turn,
    arguments_text,
    encode_body,
    image_url,
    is_strict,
    opaque_of,
    turns_of,
)
from chat.llm.messages import (
    ImagePart,
    ModelRequest,
    Options,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSchema,
)

MIN_OUTPUT_TOKENS = 16
"""OpenAI refuses less."""


def body_of(request: ModelRequest) -> bytes:
    """Nothing is stored at the provider: the whole conversation is sent, encrypted reasoning included."""
    capabilities = request.capabilities
    body: dict[str, Any] = {"model": request.model, "input": _input(request), "store": False}
    if request.system:
        body["instructions"] = request.system
    if request.tools and "no_tools" not in capabilities:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.options.tool_choice:
            body["tool_choice"] = _tool_choice(request.options.tool_choice)
    body |= _options(request.options, capabilities)
    body["stream"] = request.stream
    return encode_body(body, capabilities)


def _options(options: Options, capabilities: frozenset[str]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if options.max_output_tokens is not None:
        body["max_output_tokens"] = max(options.max_output_tokens, MIN_OUTPUT_TOKENS)
    if options.reasoning_effort is not None or "reasoning" in capabilities:
        # models that do not reason refuse both fields
        effort = {"effort": options.reasoning_effort} if options.reasoning_effort is not None else {}
        body["reasoning"] = {**effort, "summary": "auto"}
        body["include"] = ["reasoning.encrypted_content"]
    if options.response_schema is not None:
        schema = options.response_schema
        named = {"name": "response", "schema": schema, "strict": is_strict(schema)}
        body["text"] = {"format": {"type": "json_schema", **named}}
    return body


def _tool(tool: ToolSchema) -> dict[str, Any]:
    strict = is_strict(tool.parameters)
    function = {"type": "function", "name": tool.name, "parameters": tool.parameters, "strict": strict}
    return function | ({"description": tool.description} if tool.description else {})


def _tool_choice(choice: str) -> Any:
    return choice if choice in ("auto", "none", "required") else {"type": "function", "name": choice}


def _input(request: ModelRequest) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    custom: set[str] = set()
    for turn in turns_of(request):
        if turn.role == "user":
            items += _user(turn)
        elif turn.role == "assistant":
            items += _assistant(turn)
            calls = [part for part in turn.parts if isinstance(part, ToolCallPart)]
            custom |= {part.id for part in calls if _is_custom(part)}
        else:
            items += [
                _result(part, part.id in custom) for part in turn.parts if isinstance(part, ToolResultPart)
            ]
    return items


def _user(turn: Turn) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for part in turn.parts:
        if isinstance(part, TextPart) and part.text:
            content.append({"type": "input_text", "text": part.text})
        elif isinstance(part, ImagePart):
            content.append({"type": "input_image", "detail": "auto", "image_url": image_url(part)})
    if all(part["type"] == "input_text" for part in content):
        text = "\n\n".join(part["text"] for part in content)
        return [{"role": "user", "content": text}] if text else []
    return [{"role": "user", "content": content}]


def _assistant(turn: Turn) -> list[dict[str, Any]]:
    """Reasoning goes back unchanged and only in front of what it led to, or the request is refused."""
    items: list[dict[str, Any]] = []
    reasoning: list[dict[str, Any]] = []
    for part in turn.parts:
        item: dict[str, Any] | None = None
        if isinstance(part, ReasoningPart):
            opaque = opaque_of(part, DIALECT)
            if opaque and isinstance(opaque.get("item"), dict):
                reasoning.append(_reasoning(opaque["item"]))
        elif isinstance(part, TextPart | RefusalPart) and part.text:
            if items and not reasoning and items[-1].get("role") == "assistant":
                items[-1]["content"] += part.text
            else:
                item = {"role": "assistant", "content": part.text}
        elif isinstance(part, ToolCallPart):
            item = _call(part)
        if item is not None:
            items += [*reasoning, item]
            reasoning = []
    return items


def _reasoning(item: dict[str, Any]) -> dict[str, Any]:
    """The item as it came, less what only answers have."""
    return {name: value for name, value in item.items() if name != "status" and value is not None}


def _is_custom(part: ToolCallPart) -> bool:
    opaque = opaque_of(part, DIALECT)
    return bool(opaque) and opaque is not None and opaque.get("type") == "custom_tool_call"


def _call(part: ToolCallPart) -> dict[str, Any]:
    if _is_custom(part):
        return {"type": "custom_tool_call", "call_id": part.id, "name": part.name, "input": part.arguments}
    arguments = arguments_text(part.arguments)
    return {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": arguments}


def _result(part: ToolResultPart, custom: bool) -> dict[str, Any]:
    kind = "custom_tool_call_output" if custom else "function_call_output"
    return {"type": kind, "call_id": part.id, "output": part.result}
