"""A conversation as the messages of a Chat Completions request."""

from collections.abc import Iterable
from typing import Any, Final

from chat.llm.dialects.turns import Turn, arguments_text, data_url, image_url, opaque_of
from chat.llm.messages import (
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

DIALECT: Final = "openai_chat"

_REASONING_FIELDS: Final = ("reasoning_content", "reasoning")
_NO_SIGNATURE: Final = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""For calls that another model made: https://ai.google.dev/gemini-api/docs/thought-signatures"""


def messages_of(turns: Iterable[Turn], capabilities: frozenset[str]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    thoughts = _Thoughts(capabilities)
    for turn in turns:
        if turn.role == "assistant":
            messages += _assistant(turn, thoughts, capabilities)
        elif turn.role == "results":
            messages += [_result(part) for part in turn.parts if isinstance(part, ToolResultPart)]
        else:
            thoughts.user_spoke()
            if messages and messages[-1]["role"] == "tool" and "no_user_after_tool" in capabilities:
                messages.append({"role": "assistant", "content": "…"})
            messages += _user(turn)
    return messages


def _result(part: ToolResultPart) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": part.id, "content": part.result}


def _user(turn: Turn) -> list[dict[str, Any]]:
    """A plain string where it is all text: some imitators know nothing else."""
    if not any(isinstance(part, ImagePart | FilePart) for part in turn.parts):
        text = _text(turn.parts)
        return [{"role": "user", "content": text}] if text else []
    content = [said for part in turn.parts if (said := _said(part)) is not None]
    return [{"role": "user", "content": content}] if content else []


def _said(part: Part) -> dict[str, Any] | None:
    if isinstance(part, TextPart | RefusalPart):
        return {"type": "text", "text": part.text} if part.text else None
    if isinstance(part, ImagePart | FilePart) and part.file_id:
        return {"type": "file", "file": {"file_id": part.file_id}}
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": {"url": image_url(part)}}
    if isinstance(part, FilePart):
        data = data_url(part, "application/octet-stream")
        return {"type": "file", "file": {"filename": part.name or "file", "file_data": data}}
    return None


def _assistant(turn: Turn, thoughts: "_Thoughts", capabilities: frozenset[str]) -> list[dict[str, Any]]:
    text = _text(turn.parts, join="")
    calls = [_call(part, capabilities) for part in turn.parts if isinstance(part, ToolCallPart)]
    if not text and not calls:
        return []
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    if calls:
        if "thought_signatures" in capabilities and not any("extra_content" in call for call in calls):
            calls[0]["extra_content"] = _NO_SIGNATURE
        message["tool_calls"] = calls
    return [message | thoughts.of(turn, calls=bool(calls))]


def _call(part: ToolCallPart, capabilities: frozenset[str]) -> dict[str, Any]:
    function = {"name": part.name, "arguments": arguments_text(part.arguments)}
    call = {"id": part.id, "type": "function", "function": function}
    opaque = opaque_of(part, DIALECT)
    extra = opaque.get("extra_content") if opaque else None
    if extra is not None and "no_extra_content" not in capabilities:
        call["extra_content"] = extra  # Gemini refuses its calls without their signature
    return call


class _Thoughts:
    """OpenRouter wants its details back verbatim, DeepSeek and its like the text of every step with or after a call.

    https://openrouter.ai/docs/use-cases/reasoning-tokens, https://api-docs.deepseek.com/guides/thinking_mode
    """

    def __init__(self, capabilities: frozenset[str]) -> None:
        self._capabilities = capabilities
        self._field = ""
        self._since_a_call = False

    def user_spoke(self) -> None:
        self._field, self._since_a_call = "", False

    def of(self, turn: Turn, *, calls: bool) -> dict[str, Any]:
        thoughts = [part for part in turn.parts if isinstance(part, ReasoningPart)]
        parts = [part for part in thoughts if part.opaque is None or opaque_of(part, DIALECT)]
        carried = [opaque for part in parts if (opaque := opaque_of(part, DIALECT))]
        self._since_a_call = self._since_a_call or calls
        self._field = next(
            (opaque["field"] for opaque in carried if opaque.get("field") in _REASONING_FIELDS), self._field
        )
        details = [detail for opaque in carried for detail in opaque.get("details") or ()]
        if details:
            return {"reasoning_details": details} if self._allows("reasoning_details") else {}
        wanted = "reasoning_content" in self._capabilities
        field = self._field or ("reasoning_content" if wanted else "")
        text = "".join(part.text for part in parts)
        if not self._since_a_call or not field or not self._allows(field) or not (text or (calls and wanted)):
            return {}
        return {field: text}

    def _allows(self, field: str) -> bool:
        return f"no_{field}" not in self._capabilities


def _text(parts: tuple[Part, ...], join: str = "\n\n") -> str:
    return join.join(part.text for part in parts if isinstance(part, TextPart | RefusalPart) and part.text)
