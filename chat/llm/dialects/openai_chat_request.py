"""Writes a request of the Chat Completions protocol (`POST {base}/chat/completions`)."""

from typing import Any

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
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSchema,
)

DIALECT = "openai_chat"


def body_of(request: ModelRequest) -> bytes:
    capabilities = request.capabilities
    body: dict[str, Any] = {"model": request.model, "messages": _messages(request)}
    if request.tools and "no_tools" not in capabilities:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.options.tool_choice:
            body["tool_choice"] = _tool_choice(request.options.tool_choice)
    body |= _options(request.options, capabilities)
    body["stream"] = request.stream
    if request.stream:
        body["stream_options"] = {"include_usage": True}
    return encode_body(body, capabilities)


def _options(options: Options, capabilities: frozenset[str]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if options.max_output_tokens is not None:
        # OpenAI's reasoning models refuse the old name, imitators mostly know no other
        name = "max_completion_tokens" if "max_completion_tokens" in capabilities else "max_tokens"
        body[name] = options.max_output_tokens
    if options.reasoning_effort is not None:
        body["reasoning_effort"] = options.reasoning_effort
    if options.response_schema is not None:
        schema = options.response_schema
        named = {"name": "response", "schema": schema, "strict": is_strict(schema)}
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


def _messages(request: ModelRequest) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if request.system:
        role = "developer" if "developer_role" in request.capabilities else "system"
        messages.append({"role": role, "content": request.system})
    for turn in turns_of(request):
        if turn.role == "user":
            messages += _user(turn)
        elif turn.role == "assistant":
            messages += _assistant(turn, request.capabilities)
        else:
            messages += [
                {"role": "tool", "tool_call_id": part.id, "content": part.result}
                for part in turn.parts
                if isinstance(part, ToolResultPart)
            ]
    return messages


def _user(turn: Turn) -> list[dict[str, Any]]:
    """A plain string where it is all text: some imitators know nothing else."""
    if not any(isinstance(part, ImagePart) for part in turn.parts):
        text = _text(turn.parts)
        return [{"role": "user", "content": text}] if text else []
    content: list[dict[str, Any]] = []
    for part in turn.parts:
        if isinstance(part, TextPart) and part.text:
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart):
            content.append({"type": "image_url", "image_url": {"url": image_url(part)}})
    return [{"role": "user", "content": content}]


def _assistant(turn: Turn, capabilities: frozenset[str]) -> list[dict[str, Any]]:
    text = _text(turn.parts, join="")
    calls = [_call(part) for part in turn.parts if isinstance(part, ToolCallPart)]
    if not text and not calls:
        return []
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    if calls:
        message["tool_calls"] = calls
    return [message | _reasoning(turn, capabilities, in_tool_turn=bool(calls))]


def _call(part: ToolCallPart) -> dict[str, Any]:
    function = {"name": part.name, "arguments": arguments_text(part.arguments)}
    call = {"id": part.id, "type": "function", "function": function}
    opaque = opaque_of(part, DIALECT)
    if opaque and opaque.get("extra_content") is not None:  # Gemini refuses its calls without their signature
        call["extra_content"] = opaque["extra_content"]
    return call


def _reasoning(turn: Turn, capabilities: frozenset[str], *, in_tool_turn: bool) -> dict[str, Any]:
    """OpenRouter wants its details back verbatim, DeepSeek and its like the text of tool turns."""
    parts = [part for part in turn.parts if isinstance(part, ReasoningPart)]
    carried = [opaque for part in parts if (opaque := opaque_of(part, DIALECT))]
    details = [detail for opaque in carried for detail in opaque.get("details") or ()]
    if details:
        return {"reasoning_details": details} if "no_reasoning_details" not in capabilities else {}
    field = next((str(opaque["field"]) for opaque in carried if opaque.get("field")), "")
    if not field and "reasoning_content" in capabilities:
        field = "reasoning_content"
    text = "".join(part.text for part in parts)
    wanted = in_tool_turn and field and text and f"no_{field}" not in capabilities
    return {field: text} if wanted else {}


def _text(parts: tuple[Part, ...], join: str = "\n\n") -> str:
    return join.join(part.text for part in parts if isinstance(part, TextPart | RefusalPart) and part.text)
