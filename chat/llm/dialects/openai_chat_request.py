"""Writes a request of the Chat Completions protocol (`POST {base}/chat/completions`)."""

import hashlib
from typing import Any, Final

from chat.llm.dialects.fitting import (
    Written,
    choice_of,
    effort_of,
    fitted,
    is_streamed,
    with_system_said,
    without_refused,
    written,
)
from chat.llm.dialects.openai_chat_history import messages_of
from chat.llm.dialects.turns import is_strict, turns
from chat.llm.messages import FilePart, ModelRequest, TextPart, ToolSchema

_CACHE_MARK: Final = {"cache_control": {"type": "ephemeral"}}


def body_of(request: ModelRequest) -> Written:
    capabilities = request.capabilities
    body: dict[str, Any] = {"model": request.model, "messages": _messages(request)}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if choice := choice_of(request):
            body["tool_choice"] = _tool_choice(choice)
    limit = _limit_name(capabilities)
    body |= _options(request, limit)
    body["stream"] = is_streamed(request)
    if is_streamed(request):
        body["stream_options"] = {"include_usage": True}
    if "prompt_cache_key" in capabilities:
        body["prompt_cache_key"] = cache_key(request)
    body = without_refused(body, capabilities)
    carried = {name: name in body for name in ("temperature", "reasoning_effort", "tool_choice", "tools")}
    carried |= {"max_output_tokens": limit in body, "response_schema": "response_format" in body}
    return written(request, body, carried, says_file)


def says_file(part: FilePart) -> bool:
    """The protocol has no word for a file's address."""
    return bool(part.file_id or part.data)


def _messages(request: ModelRequest) -> list[dict[str, Any]]:
    messages = fitted(request, says_file)
    role = system_role(request.capabilities)
    if request.system and not role:
        messages = with_system_said(messages, request.system)
    found = messages_of(turns(messages), request.capabilities)
    if request.system and role:
        found.insert(0, {"role": role, "content": request.system})
    if "cache_control" in request.capabilities and "no_cache_control" not in request.capabilities:
        _mark(found)
    return found


def system_role(capabilities: frozenset[str]) -> str:
    """`developer` is OpenAI's newer word, which most imitators refuse; a few models know neither: "".

    https://platform.openai.com/docs/api-reference/chat/create
    """
    if "developer_role" in capabilities and "no_developer_role" not in capabilities:
        return "developer"
    return "" if "no_system_role" in capabilities else "system"


def _limit_name(capabilities: frozenset[str]) -> str:
    """OpenAI's reasoning models refuse the old name, imitators mostly know no other."""
    newer = "max_completion_tokens" in capabilities and "no_max_completion_tokens" not in capabilities
    return "max_completion_tokens" if newer else "max_tokens"


def _options(request: ModelRequest, limit: str) -> dict[str, Any]:
    options = request.options
    body: dict[str, Any] = {}
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if options.max_output_tokens is not None:
        body[limit] = options.max_output_tokens
    if effort := effort_of(request):
        body["reasoning_effort"] = effort
    if options.response_schema is not None:
        schema = options.response_schema
        named: dict[str, Any] = {"name": "response", "schema": schema}
        if "no_strict" not in request.capabilities:
            named["strict"] = is_strict(schema)
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return body


def _tool(tool: ToolSchema) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _tool_choice(choice: str) -> Any:
    if choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _mark(messages: list[dict[str, Any]]) -> None:
    """Models of Anthropic and Alibaba behind routers: the system text and the last two messages of the user.

    https://openrouter.ai/docs/features/prompt-caching
    """
    marked = [message for message in messages if message["role"] in ("system", "developer")][:1]
    for message in [*marked, *[message for message in messages if message["role"] == "user"][-2:]]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts = [place for place, part in enumerate(parts) if part["type"] == "text"]
        if texts:
            parts[texts[-1]] = parts[texts[-1]] | _CACHE_MARK
            message["content"] = parts


def cache_key(request: ModelRequest) -> str:
    """The same for all requests of a conversation, so that they meet the same cache."""
    first = request.messages[0].parts if request.messages else ()
    text = "\0".join([request.system, *(part.text for part in first if isinstance(part, TextPart))])
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
