"""Writes a request of the Messages protocol (`POST {base}/v1/messages`)."""

from typing import Any, Final

from chat.llm.dialects.anthropic_messages_history import called_names, messages_of, says_file, thinks_on
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
from chat.llm.dialects.turns import turns
from chat.llm.messages import ModelRequest, ToolSchema

DEFAULT_MAX_TOKENS: Final = 4096
"""The protocol demands a limit."""

LEAST_THINKING_TOKENS: Final = 1024
THINKING_TOKENS: Final = {
    "minimal": LEAST_THINKING_TOKENS,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 24576,
    "max": 32000,
}
"""Budgets for models that take one."""

WORTH_CACHING_CHARACTERS: Final = 6000
"""The shortest prompt the provider caches is 1024 tokens; a mark on less is only refused attention."""

PICTURE_CHARACTERS: Final = 2000

Json = dict[str, Any]


def body_of(request: ModelRequest) -> Written:
    capabilities = request.capabilities
    says_system = "no_system" not in capabilities
    conversation = fitted(request, says_file)
    if request.system and not says_system:
        conversation = with_system_said(conversation, request.system)
    messages = messages_of(turns(conversation))
    body: Json = {"model": request.model, "messages": messages}
    if request.system and says_system:
        body["system"] = request.system
    body |= _tools(request, messages)
    body |= _options(request, messages)
    body["stream"] = is_streamed(request)
    body = without_refused(body, capabilities)
    if "no_cache_control" not in capabilities:
        _mark(body)
    output = body.get("output_config", {})
    thinks = "thinking" in body or "effort" in output
    carried = {
        "temperature": "temperature" in body,
        "max_output_tokens": True,
        "reasoning_effort": thinks or effort_of(request) == "none",
        "tool_choice": "tool_choice" in body,
        "response_schema": "format" in output,
        "tools": "tools" in body,
    }
    return written(request, body, carried, says_file)


# --- tools ----------------------------------------------------------------------------------------


def _tools(request: ModelRequest, messages: list[Json]) -> Json:
    """A conversation with calls has to name their tools, also where none is offered any more."""
    if request.tools:
        choice = choice_of(request)
        tools = {"tools": [_tool(tool) for tool in request.tools]}
        return tools | ({"tool_choice": _tool_choice(choice)} if choice else {})
    names = called_names(messages)
    if not names:
        return {}
    past = [{"name": name, "input_schema": {"type": "object"}} for name in names]
    return {"tools": past, "tool_choice": {"type": "none"}}


def _tool(tool: ToolSchema) -> Json:
    body = {"name": tool.name, "input_schema": {"type": "object", **tool.parameters}}
    return body | ({"description": tool.description} if tool.description else {})


def _tool_choice(choice: str) -> Json:
    known = {"auto": "auto", "none": "none", "required": "any"}
    return {"type": known[choice]} if choice in known else {"type": "tool", "name": choice}


# --- options --------------------------------------------------------------------------------------


def _options(request: ModelRequest, messages: list[Json]) -> Json:
    options = request.options
    body: Json = {"max_tokens": options.max_output_tokens or DEFAULT_MAX_TOKENS}
    output: Json = {}
    _add_thinking(request, messages, body, output)
    if options.temperature is not None and "thinking" not in body:
        body["temperature"] = min(options.temperature, 1.0)
    if options.response_schema is not None and "no_response_format" not in request.capabilities:
        output["format"] = {"type": "json_schema", "schema": _closed(options.response_schema)}
    return body | ({"output_config": output} if output else {})


def _add_thinking(request: ModelRequest, messages: list[Json], body: Json, output: Json) -> None:
    """A forced call and thinking exclude each other; so do a budget and a step that was begun without thinking."""
    capabilities, effort = request.capabilities, effort_of(request)
    if effort not in THINKING_TOKENS:
        return
    forced = choice_of(request) not in ("", "auto", "none")
    if "adaptive_thinking" in capabilities and "no_adaptive_thinking" not in capabilities:
        if not forced and "no_thinking" not in capabilities:
            body["thinking"] = {"type": "adaptive"}
        if "no_reasoning_effort" not in capabilities:
            output["effort"] = "low" if effort == "minimal" else effort
    elif not forced and thinks_on(messages):
        body |= _budget(THINKING_TOKENS[effort], request.options.max_output_tokens)


def _budget(wish: int, limit: int | None) -> Json:
    """Thinking counts as output: it takes at most half of the limit, and comes on top where none was set or the limit
    is too small for it."""
    half = (limit or 0) // 2
    if half >= LEAST_THINKING_TOKENS:
        return {"thinking": {"type": "enabled", "budget_tokens": min(wish, half)}, "max_tokens": limit}
    total = wish + (limit or DEFAULT_MAX_TOKENS)
    return {"thinking": {"type": "enabled", "budget_tokens": wish}, "max_tokens": total}


def _closed(schema: Any) -> Any:
    """The schema with `additionalProperties: false` where an object does not say: the provider wants to hear it."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _closed(value) for name, value in schema.items()}
    return {"additionalProperties": False, **found} if schema.get("type") == "object" else found


# --- caching --------------------------------------------------------------------------------------


def _mark(body: Json) -> None:
    """Three of the four marks there may be: tools and system text, the user's last message and the one before.

    The last but one is what the request before this one has written. https://docs.claude.com/en/docs/build-with-claude/prompt-caching
    """
    length = len(str(body.get("tools", ""))) + len(body.get("system", ""))
    if length >= WORTH_CACHING_CHARACTERS:
        if "system" in body:
            body["system"] = [_marked({"type": "text", "text": body["system"]})]
        else:
            body["tools"][-1] = _marked(body["tools"][-1])
    worth: list[Json] = []
    for message in body["messages"]:
        length += sum(_length(block) for block in message["content"])
        if message["role"] == "user" and length >= WORTH_CACHING_CHARACTERS:
            worth.append(message)
    for message in worth[-2:]:
        message["content"][-1] = _marked(message["content"][-1])


def _length(block: Json) -> int:
    """Pictures and pages are some hundred tokens at least."""
    if block["type"] in ("image", "document"):
        return PICTURE_CHARACTERS
    return len(str(block.get("text") or block.get("content") or block.get("input") or ""))


def _marked(block: Json) -> Json:
    return block | {"cache_control": {"type": "ephemeral"}}
