"""Writes a request of the Responses protocol (`POST {base}/responses`)."""

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
from chat.llm.dialects.openai_chat_request import cache_key, system_role
from chat.llm.dialects.openai_responses_history import input_of
from chat.llm.dialects.turns import is_strict, turns
from chat.llm.messages import ModelRequest, ToolSchema

MIN_OUTPUT_TOKENS: Final = 16
"""OpenAI refuses less."""


def body_of(request: ModelRequest) -> Written:
    """Nothing is stored at the provider: the whole conversation is sent, encrypted reasoning included."""
    capabilities = request.capabilities
    body: dict[str, Any] = {"model": request.model, "input": _input(request), "store": False}
    if request.system and "no_instructions" not in capabilities:
        body["instructions"] = request.system
    if request.tools:
        body["tools"] = [_tool(tool, capabilities) for tool in request.tools]
        if choice := choice_of(request):
            body["tool_choice"] = _tool_choice(choice)
    body |= _options(request)
    body["stream"] = is_streamed(request)
    if "prompt_cache_key" in capabilities:
        body["prompt_cache_key"] = cache_key(request)
    body = without_refused(body, capabilities)
    carried = {name: name in body for name in ("temperature", "max_output_tokens", "tool_choice", "tools")}
    carried["reasoning_effort"] = "effort" in body.get("reasoning", {})
    carried["response_schema"] = "text" in body
    return written(request, body, carried)


def _input(request: ModelRequest) -> list[dict[str, Any]]:
    messages = fitted(request)
    if not request.system or "no_instructions" not in request.capabilities:
        return input_of(turns(messages))
    role = system_role(request.capabilities)
    if not role:
        return input_of(turns(with_system_said(messages, request.system)))
    return [{"role": role, "content": request.system}, *input_of(turns(messages))]


def _options(request: ModelRequest) -> dict[str, Any]:
    options, capabilities = request.options, request.capabilities
    body: dict[str, Any] = {}
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if options.max_output_tokens is not None:
        body["max_output_tokens"] = max(options.max_output_tokens, MIN_OUTPUT_TOKENS)
    body |= _reasoning(request)
    if options.response_schema is not None and "no_response_format" not in capabilities:
        schema = options.response_schema
        named: dict[str, Any] = {"name": "response", "schema": schema}
        if "no_strict" not in capabilities:
            named["strict"] = is_strict(schema)
        body["text"] = {"format": {"type": "json_schema", **named}}
    return body


def _reasoning(request: ModelRequest) -> dict[str, Any]:
    """Models that do not reason refuse both fields."""
    capabilities = request.capabilities
    effort = effort_of(request) if "no_reasoning_effort" not in capabilities else ""
    if "no_thinking" in capabilities or not (effort or "reasoning" in capabilities):
        return {}
    reasoning = {"effort": effort} if effort else {}
    if "no_reasoning_summary" not in capabilities:
        reasoning["summary"] = "auto"
    include = {"include": ["reasoning.encrypted_content"]}
    return include | ({"reasoning": reasoning} if reasoning else {})


def _tool(tool: ToolSchema, capabilities: frozenset[str]) -> dict[str, Any]:
    function: dict[str, Any] = {"type": "function", "name": tool.name, "parameters": tool.parameters}
    if "no_strict" not in capabilities:
        function["strict"] = is_strict(tool.parameters)
    return function | ({"description": tool.description} if tool.description else {})


def _tool_choice(choice: str) -> Any:
    return choice if choice in ("auto", "none", "required") else {"type": "function", "name": choice}
