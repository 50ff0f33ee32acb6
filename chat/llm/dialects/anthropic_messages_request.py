"""Writes a request of the Messages protocol (`POST {base}/v1/messages`)."""

import base64
import re
from typing import Any, Final

from chat.llm.dialects.anthropic_messages_blocks import DIALECT
from chat.llm.dialects.turns import Turn, arguments_object, encode_body, opaque_of, turns_of
from chat.llm.messages import (
    ImagePart,
    ModelRequest,
    Options,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSchema,
)

DEFAULT_MAX_TOKENS: Final = 4096
"""The protocol demands a limit."""

THINKING_TOKENS: Final = {"low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
"""Budgets for models that take one; never below 1024."""

WORTH_CACHING_CHARACTERS: Final = 6000
"""The shortest prompt the provider caches is 1024 tokens; a mark on less is only refused attention."""


def body_of(request: ModelRequest) -> bytes:
    capabilities = request.capabilities
    body: dict[str, Any] = {"model": request.model, "messages": _messages(request)}
    if request.system:
        body["system"] = _system(request)
    if request.tools and "no_tools" not in capabilities:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.options.tool_choice:
            body["tool_choice"] = _tool_choice(request.options.tool_choice)
    body |= _options(request.options, capabilities, forced="tool_choice" in body)
    body["stream"] = request.stream
    return encode_body(body, capabilities)


def _options(options: Options, capabilities: frozenset[str], *, forced: bool) -> dict[str, Any]:
    limit = options.max_output_tokens or DEFAULT_MAX_TOKENS
    body: dict[str, Any] = {"max_tokens": limit}
    output: dict[str, Any] = {}
    budget = THINKING_TOKENS.get(options.reasoning_effort or "", 0)
    # a forced call and thinking exclude each other
    forced = forced and options.tool_choice not in ("auto", "none")
    if budget and not forced and "no_thinking" not in capabilities:
        if "adaptive_thinking" in capabilities:
            body["thinking"] = {"type": "adaptive"}
            output["effort"] = options.reasoning_effort
        else:
            body |= {"thinking": {"type": "enabled", "budget_tokens": budget}, "max_tokens": limit + budget}
    if options.temperature is not None and "thinking" not in body:
        body["temperature"] = min(options.temperature, 1.0)
    if options.response_schema is not None:
        output["format"] = {"type": "json_schema", "schema": options.response_schema}
    return body | ({"output_config": output} if output else {})


def _system(request: ModelRequest) -> Any:
    """A long one is marked for caching, and with it the tools, which stand before it."""
    length = len(request.system) + sum(len(str(tool.parameters)) for tool in request.tools)
    if length < WORTH_CACHING_CHARACTERS or "no_cache_control" in request.capabilities:
        return request.system
    return [_marked({"type": "text", "text": request.system})]


def _marked(block: dict[str, Any]) -> dict[str, Any]:
    return block | {"cache_control": {"type": "ephemeral"}}


def _tool(tool: ToolSchema) -> dict[str, Any]:
    body = {"name": tool.name, "input_schema": {"type": "object", **tool.parameters}}
    return body | ({"description": tool.description} if tool.description else {})


def _tool_choice(choice: str) -> dict[str, Any]:
    known = {"auto": "auto", "none": "none", "required": "any"}
    return {"type": known[choice]} if choice in known else {"type": "tool", "name": choice}


def _messages(request: ModelRequest) -> list[dict[str, Any]]:
    """The roles alternate, the first is the user's, and a turn's results begin the next user message."""
    messages: list[dict[str, Any]] = []
    for turn in turns_of(request):
        role = "assistant" if turn.role == "assistant" else "user"
        blocks = _blocks(turn)
        if not blocks:
            continue
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    if messages and messages[0]["role"] == "assistant":
        messages.insert(0, {"role": "user", "content": [{"type": "text", "text": "…"}]})
    _finish(messages, request.capabilities)
    return messages


def _finish(messages: list[dict[str, Any]], capabilities: frozenset[str]) -> None:
    """The answer to be continued may not end in blanks; a long conversation is marked for caching."""
    if not messages:
        return
    blocks = messages[-1]["content"]
    if messages[-1]["role"] == "assistant" and blocks[-1]["type"] == "text":
        blocks[-1]["text"] = blocks[-1]["text"].rstrip()
    length = sum(
        len(str(block.get("text") or block.get("content") or "")) for m in messages for block in m["content"]
    )
    if length >= WORTH_CACHING_CHARACTERS and "no_cache_control" not in capabilities:
        blocks[-1] = _marked(blocks[-1])


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    blocks = [block for part in turn.parts if (block := _block(part)) is not None]
    if turn.role == "assistant" and all(block["type"].endswith("thinking") for block in blocks):
        return []  # thinking that led to nothing is refused
    return blocks


def _block(part: Part) -> dict[str, Any] | None:
    if isinstance(part, TextPart | RefusalPart):
        return {"type": "text", "text": part.text} if part.text.strip() else None
    if isinstance(part, ImagePart):
        return {"type": "image", "source": _source(part)}
    if isinstance(part, ToolCallPart):
        arguments = arguments_object(part.arguments)
        return {"type": "tool_use", "id": _id(part.id), "name": part.name, "input": arguments}
    if isinstance(part, ToolResultPart):
        result = {"type": "tool_result", "tool_use_id": _id(part.id), "content": part.result}
        return result | ({"is_error": True} if part.failed else {})
    return _thinking(part)


def _thinking(part: ReasoningPart) -> dict[str, Any] | None:
    """Only what this provider signed goes back, exactly as it came."""
    opaque = opaque_of(part, DIALECT)
    block = opaque.get("block") if opaque else None
    return block if isinstance(block, dict) else None


def _source(part: ImagePart) -> dict[str, Any]:
    if part.url:
        return {"type": "url", "url": part.url}
    data = base64.b64encode(part.data).decode()
    return {"type": "base64", "media_type": part.media_type or "image/png", "data": data}


def _id(identity: str) -> str:
    """Ids of other providers may hold characters that are refused here."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", identity)
