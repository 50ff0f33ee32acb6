"""From a function's signature to the JSON schema of its arguments, and to the type that reads them.

msgspec makes the schema and does the reading. What is done here: references are put in place (not every provider
follows `$ref`), titles are left out, and every object is closed.
"""

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from tools.context import ToolContext
from tools.exceptions import ToolDefinitionError

_KINDS: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Signature(Struct, frozen=True):
    arguments: type[Struct]
    parameters: dict[str, Any]
    context_parameter: str


def read_signature(name: str, function: Callable[..., Any], told: Mapping[str, str]) -> Signature:
    """
    Args:
        told: descriptions of parameters; one given in the annotation itself wins.

    Raises:
        ToolDefinitionError: a parameter has no type, or one that cannot come from JSON.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    fields, context_parameter = [], ""
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in _KINDS:
            raise ToolDefinitionError(f"{parameter} cannot be given by name.")
        if parameter.name not in hints:
            raise ToolDefinitionError(f"{parameter.name} has no type.")
        if hints[parameter.name] is ToolContext:
            context_parameter = parameter.name
        else:
            fields.append(_field(parameter, hints[parameter.name]))
    strangers = set(told) - {field[0] for field in fields}
    if strangers:
        raise ToolDefinitionError(
            f"its docstring describes {', '.join(sorted(strangers))}, which it does not have."
        )
    arguments = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)
    return Signature(arguments, _parameters(arguments, told), context_parameter)


def _field(parameter: inspect.Parameter, kind: Any) -> tuple[str, Any, Any]:
    if parameter.default is inspect.Parameter.empty:
        return parameter.name, kind, msgspec.NODEFAULT
    if isinstance(parameter.default, list | dict | set):
        raise ToolDefinitionError(
            f"{parameter.name} has a default that could be changed by a call; use a tuple."
        )
    return parameter.name, kind, parameter.default


def _parameters(arguments: type[Struct], told: Mapping[str, str]) -> dict[str, Any]:
    try:
        whole = msgspec.json.schema(arguments)
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolDefinitionError(f"its parameters are no JSON: {error}") from error
    schema: dict[str, Any] = _closed(whole, whole.get("$defs", {}), ())
    schema.setdefault("properties", {})
    schema.setdefault("required", [])
    for parameter, words in told.items():
        schema["properties"][parameter].setdefault("description", words)
    return schema


def _closed(schema: Any, defined: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    if isinstance(schema, list):
        return [_closed(item, defined, within) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name in within:
            raise ToolDefinitionError(
                f"{name} contains itself, which a schema without references cannot say."
            )
        rest = {key: value for key, value in schema.items() if key not in {"$ref", "$defs"}}
        return {**_closed(defined[name], defined, (*within, name)), **rest}
    made = {
        key: _named(value, defined, within) if key == "properties" else _inner(key, value, defined, within)
        for key, value in schema.items()
        if key not in {"title", "$defs"}
    }
    if "properties" in made:
        made.setdefault("additionalProperties", False)
    if kind := _kind_of(made.get("enum", ())):
        made = {"type": kind, **made}
    return made


def _kind_of(choices: Iterable[Any]) -> str:
    """Some providers want to be told even where the choices show it."""
    kinds = {type(choice) for choice in choices}
    return {frozenset({str}): "string", frozenset({int}): "integer"}.get(frozenset(kinds), "")


def _named(
    properties: Mapping[str, Any], defined: Mapping[str, Any], within: tuple[str, ...]
) -> dict[str, Any]:
    return {name: _closed(value, defined, within) for name, value in properties.items()}


def _inner(key: str, value: Any, defined: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    if key in {"items", "prefixItems", "anyOf", "additionalProperties"}:
        return _closed(value, defined, within)
    return value
