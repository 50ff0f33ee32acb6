"""Reads what a model has written as arguments. What does not fit is said in words that help it to write them again."""

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tools.base import Tool
from tools.exceptions import BadArguments

MOST_BYTES: Final = 1_000_000
_SHOWN_CHARACTERS: Final = 80
_WORDS: Final = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "null": "null",
    "array": "a list", "object": "an object", "date": "a date (YYYY-MM-DD)", "datetime": "a time (RFC 3339)",
}  # fmt: skip
_PLACE: Final = re.compile(r" - at `\$(.*)`$")
_TYPES: Final = re.compile(r"`([\w |]+)`")


def read_arguments(tool: Tool, text: str) -> dict[str, Any]:
    """The arguments by name, of the types that the function declares.

    A null for a parameter that has a default and takes no null counts as left out: models write it so.

    Raises:
        BadArguments: says of every parameter what was expected and what came.
    """
    given = _without_nul(_object(tool, text)) if "\\u0000" in text else _object(tool, text)
    properties: Mapping[str, Any] = tool.parameters["properties"]
    problems = [_stranger(name, properties) for name in given if name not in properties]
    read = {}
    for field in msgspec.structs.fields(tool.arguments):
        optional = not field.required
        if field.name not in given:
            if not optional:
                problems.append(f"{field.name}: is missing; expected {_expected(properties[field.name])}.")
            continue
        value = given[field.name]
        try:
            read[field.name] = msgspec.convert(value, field.type)
        except (msgspec.ValidationError, RecursionError) as error:
            if not (value is None and optional):
                problems.append(_problem(field.name, str(error), value, properties[field.name]))
    if problems:
        raise _refused(tool, problems)
    return read


def _object(tool: Tool, text: str) -> dict[str, Any]:
    if len(text) > MOST_BYTES:
        raise _refused(tool, [f"They are longer than {MOST_BYTES} characters."])
    try:
        given = msgspec.json.decode(text) if text.strip() else {}
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise _refused(tool, [f"They are no valid JSON ({error}). They began with: {_shown(text)}"]) from None
    if not isinstance(given, dict):
        raise _refused(tool, [f"They must be one JSON object; got {_shown(given)}."])
    return given


def _without_nul(value: Any) -> Any:
    """Databases refuse it, and no tool wants it."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(item) for name, item in value.items()}
    return value


def _refused(tool: Tool, problems: list[str]) -> BadArguments:
    lines = "\n".join(f"- {problem}" for problem in problems)
    return BadArguments(f"The arguments for {tool.name} were not accepted, and nothing was run:\n{lines}")


def _stranger(name: str, properties: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, properties, n=1)
    hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(properties) or 'none'}."
    return f"{name[:_SHOWN_CHARACTERS]}: there is no such parameter.{hint}"


def _problem(name: str, error: str, value: Any, schema: Mapping[str, Any]) -> str:
    found = _PLACE.search(error)
    within = found[1] if found else ""
    what = error[: found.start()] if found else error
    # "Invalid …" names no alternative; the schema does, where the whole parameter is meant.
    told = f"expected {_expected(schema)}" if what.startswith("Invalid") and not within else _in_words(what)
    return f"{name}{within}: {told}; got {_shown(value)}."


def _in_words(error: str) -> str:
    told = _TYPES.sub(lambda found: " or ".join(_WORDS.get(t, t) for t in found[1].split(" | ")), error)
    return told[:1].lower() + told[1:]


def _expected(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(choice, ensure_ascii=False) for choice in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_expected(choice) for choice in schema["anyOf"])
    if "format" in schema:
        return f"a text of the format {schema['format']}"
    names = {"integer": "int", "number": "float", "string": "str", "boolean": "bool"}
    kind = schema.get("type", "")
    return _WORDS.get(names.get(kind, kind), "a value")


def _shown(value: Any) -> str:
    text = (
        value
        if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS
        else json.dumps(value, ensure_ascii=False)
    )
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
