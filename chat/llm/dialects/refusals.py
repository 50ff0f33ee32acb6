"""What a refusal says of the model: the field it does not know, or what it cannot do.

`refused_field` names it, `capability_after_refusal` tells what to remember of the model before it is asked again.
Wordings recorded, or read in the sources, of OpenAI, Azure, Anthropic, Gemini, Mistral, DeepSeek, xAI, Groq, Cerebras,
OpenRouter, Ollama, vLLM, llama.cpp, Hugging Face, and of pydantic and serde, with which many servers are written.

What is remembered stays until staff take it out, so a doubtful case counts as none: a value out of range or a picture
in a format that nobody reads says nothing of the model.
"""

import re
from collections.abc import Iterator
from typing import Final

READ_CHARACTERS: Final = 1000
"""What matters stands first; the rest may be our own request, read back."""

_FLAGS: Final = re.IGNORECASE | re.DOTALL

_PLAIN: Final = tuple(
    (re.compile(pattern, _FLAGS), field)
    for pattern, field in (
        (r"verified to stream|\bstreaming (is )?not (supported|available|enabled)|not support streaming", "stream"),
        (r"verified to (generate|use|get) reasoning summar", "reasoning_summary"),
        (r"thinking\.type\.enabled\W+is not supported", "thinking_budget"),
        (r"adaptive thinking is not supported", "adaptive_thinking"),
        (r"reasoning_content\W.{0,60}must be passed back|missing\W+reasoning_content", "missing_reasoning_content"),
        (r"missing (a )?\W?thought_signature", "missing_thought_signature"),
        (r"tool call id .{0,80}must be a-z", "call_ids"),
        (r"(tool_calls?\W.{0,12}\bid|call_id)\b.{0,80}(too long|maximum length|at most \d+ char)", "call_ids"),
        (r"unexpected role \W?user\W? after role \W?tool", "user_after_tool"),
        (r"requires --(jinja|enable-auto-tool-choice)|not support(ed)? function calling", "tools"),
        (r"does not support (tools|tool use|function calling)|(tool use|function calling) is not enabled", "tools"),
        (r"at most 0 image|not a multi-?modal model|image input is not supported|\bmmproj\b", "vision"),
        (r"content\W{1,6}(value )?must be a string", "vision"),
        (r"reasoning_effort\W+(must|should) be one of", "reasoning_effort"),
    )
)  # fmt: skip

_REFUSED: Final = re.compile(
    r"unsupported|unrecogni[sz]ed|unknown (parameter|field|argument|name|variant|key)|deprecated"
    r"|not (yet )?(supported|enabled|available|permitted|allowed)|unavailable|does(n't| not) (support|accept|allow)"
    r"|only supported (by|with|on|for)|no endpoints found that support|no such field|cannot find field"
    r"|unexpected (keyword|field|parameter|property)|is not (a )?(valid|known) (parameter|field|argument)",
    re.IGNORECASE,
)

_FIELDS: Final = {
    name: name
    for name in (
        "cache_control", "extra_content", "include", "instructions", "max_completion_tokens", "max_output_tokens",
        "max_tokens", "output_config", "parallel_tool_calls", "prompt_cache_key", "reasoning", "reasoning_content",
        "reasoning_details", "reasoning_effort", "response_format", "store", "stream", "stream_options", "strict",
        "system", "temperature", "text", "thinking", "tool_choice", "tools",
    )
} | {
    "document": "files", "effort": "reasoning_effort", "file": "files", "files": "files", "format": "response_format",
    "functions": "tools", "image": "vision", "image_url": "vision", "images": "vision", "input_file": "files",
    "input_image": "vision", "json_schema": "response_format", "output_format": "response_format",
    "structured_outputs": "response_format", "vision": "vision",
}  # fmt: skip
"""Names on the wire, and the field or the ability that is meant."""

_PHRASES: Final = tuple(
    (re.compile(pattern, _FLAGS), field)
    for pattern, field in (
        (r"\b(images?|vision|multi-?modal)\b", "vision"),
        (r"\b(files?|pdfs?|documents?)\b", "files"),
        (r"\b(tool (use|calling)|function calling)\b", "tools"),
        (r"\bstructured (outputs?|response)|\bresponse format\b|\bjson schema\b", "response_format"),
        (r"\b(developer|system) (role|message|prompt|instruction)s?\b", "system_role"),
        (r"\b(thinking|reasoning)\b(?! (content|details|summar))", "thinking"),
        (r"\btemperature\b", "temperature"),
        (r"\btools\b", "tools"),
        (r"\bstream\b", "stream"),
        (r"\b(effort)\b", "reasoning_effort"),
        # Words that stand in any sentence: only where a name is to be expected.
        *(
            (rf"(?:^|: |parameters?|fields?|arguments?|propert(?:y|ies))\W*{name}\b", name)
            for name in ("store", "include", "system", "text")
        ),
    )
)

_NO_ABILITY: Final = re.compile(
    r"\b(formats?:|(file|image) formats?|mime|media.?types?|file types?|corrupt\w*|following|download\w*"
    r"|fetch\w*|decod\w*|too (large|many|small|big|long)|exceed\w*|dimensions?|resolution"
    r"|(unsupported|invalid) image)\b",
    re.IGNORECASE,
)
"""It is this picture or file, not the model."""

_ABOUT_CONTENT: Final = re.compile(
    r"(content|usage|safety)[ _-]?(polic|filter|management|guideline)|polic(y|ies)[ _-]violat"
    r"|violat\w* (\w+ ){0,4}polic|moderation|\bflagged\b|\bsafety (system|reasons|settings|checks?)\b"
    r"|prohibited[ _]content",
    re.IGNORECASE,
)
"""It is what somebody wrote or showed, which says nothing of what the model takes from others."""

_HINT: Final = re.compile(
    r"(?<=[.;,:!?]) (use|try)\b|\bplease\b|\bdid you mean\b|\bsupported (values|parameters|fields)\b|\bexpected\b"
    r"|\bone of\b|(?<!not )\b(allowed|permitted)\b",
    re.IGNORECASE,
)
"""What comes after it is what the model would take instead."""

_NAMED: Final = re.compile(
    r"['\"`]([\w.\[\] -]{2,80})['\"`]"
    r"|\b((?:\w+[.\[\]]+)*\w+_\w+(?:[.\[\]]+\w+)*|\w+(?:\.\w+)+|[a-z]+(?:[A-Z][a-z]+)+)\b"
)
_EFFORT: Final = re.compile(r"['\"`](none|minimal|low|medium|high|xhigh|max)['\"`]")

_OTHER_WAYS: Final = {
    "call_ids": "short_call_ids",
    "max_tokens": "max_completion_tokens",
    "missing_reasoning_content": "reasoning_content",
    "missing_thought_signature": "thought_signatures",
    "thinking_budget": "adaptive_thinking",
}
_LAST_WAYS: Final = {"max_tokens": "no_max_tokens", "thinking_budget": "no_thinking"}


def capability_after_refusal(field: str, capabilities: frozenset[str] = frozenset()) -> str:
    """The capability that keeps a refused field out of later requests, or says what it wants in another way.

    `capabilities` are those it was refused with: where the other way is what was refused, there is none.
    """
    other = _OTHER_WAYS.get(field)
    if other is None:
        return f"no_{field}"
    return _LAST_WAYS.get(field, other) if other in capabilities else other


def refused_field(code: str, param: str, message: str) -> str:
    """The field of our request, or the ability, that the model does not have; "" where it says nothing like that."""
    message = message[:READ_CHARACTERS]
    plain = inability(message)
    if plain:
        return plain
    if role := _refused_role(param, message):
        return role
    if not _REFUSED.search(f"{code} {message}") or _ABOUT_CONTENT.search(f"{code} {message}"):
        return ""
    said = _without_hints(message)
    field = next(filter(None, (_known(name) for name in (param, *_names(said)))), "")
    field = field or next((field for pattern, field in _PHRASES if pattern.search(said)), "")
    if field in ("vision", "files") and _NO_ABILITY.search(message):
        return ""
    if field in ("reasoning_effort", "reasoning") and (value := _EFFORT.search(said)):
        return f"effort_{value[1]}"
    return field


def inability(message: str) -> str:
    """What some servers say so plainly that their status does not matter."""
    return next((field for pattern, field in _PLAIN if pattern.search(message[:READ_CHARACTERS])), "")


def _refused_role(param: str, message: str) -> str:
    """`developer_role` or `system_role`, if that is whom the model does not listen to."""
    text = f"{param} {message}".lower()
    if not re.search(
        r"\broles?\b|\.role\b|unknown variant|(system|developer) (message|prompt|instruction)", text
    ):
        return ""
    refused, _, allowed = _split_at_hint(text)
    if re.search(r"\buser\b", allowed) and re.search(r"\brole|unknown variant", text):
        if "developer" in allowed:
            return ""
        return "developer_role" if "system" in allowed else "system_role"
    if not _REFUSED.search(text) and not re.search(r"(unexpected|invalid) role", text):
        return ""
    if re.search(r"developer instruction", refused):
        return "system_role"  # Gemini's word for all instructions
    return next(
        (f"{role}_role" for role in ("developer", "system") if re.search(rf"\b{role}\b", refused)), ""
    )


def _split_at_hint(text: str) -> tuple[str, str, str]:
    match = re.search(r"should be|is not one of|one of|\bexpected|valid roles?\b|allowed", text)
    return (text[: match.start()], match[0], text[match.end() :]) if match else (text, "", "")


def _without_hints(message: str) -> str:
    if (instead := re.search(r"instead of\W+(\w+)", message)) is not None:
        return instead[0]
    hint = _HINT.search(message)
    return message[: hint.start()] if hint else message


def _names(text: str) -> Iterator[str]:
    """What stands in quotes or looks like a name in a program."""
    for match in _NAMED.finditer(text):
        yield match[1] or match[2]


def _known(path: str) -> str:
    """The last known name in a path such as `messages[0].content[1].image_url`; xAI writes reasoningEffort."""
    steps = re.findall(r"[a-z_]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", path).lower())
    if len(steps) > 1 and " " in path:
        return ""  # words, not a path
    if "reasoning" in steps and "summary" in steps:
        return "reasoning_summary"
    return next((_FIELDS[step] for step in reversed(steps) if step in _FIELDS), "")
