"""Arguments checked against a JSON schema that somebody else wrote, in words that help a model to write them again."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
import regex
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tools.exceptions import BadArguments

MOST_PROBLEMS: Final = 5
SHOWN_CHARACTERS: Final = 200
MOST_SCHEMA_BYTES: Final = 65_536
"""It goes with every request to a model; a larger one is refused."""
MOST_SCHEMA_DEPTH: Final = 64
TOO_LARGE: Final = "The schema is larger than 64 kB."
TOO_DEEP: Final = "The schema is nested too deeply."
PATTERN_SECONDS: Final = 0.1
"""For one expression and one text."""


def problem_of_schema(schema: Any) -> str:
    """Why it cannot be the parameters of a tool; "" if it can."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return 'The parameters are no schema of an object ("type": "object").'
    if problem := _problem_of_writing(schema):
        return problem
    try:
        Draft202012Validator.check_schema(schema)
        _check_patterns(schema)
    except SchemaError as error:
        return f"This is no JSON schema: {_short(error.message)}"
    except ValueError as error:
        return f"This cannot be used: {_short(str(error))}"
    return "" if _finds_its_references(schema) else "The schema refers to what is not in it."


def _problem_of_writing(schema: dict[str, Any]) -> str:
    if is_deep(schema):
        return TOO_DEEP
    try:
        written = json.dumps(schema, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError):
        return "The schema has a number or a sign in it that JSON does not have."
    if b"\\u0000" in written:
        return "The schema has a NUL in it."  # which PostgreSQL does not store
    return TOO_LARGE if len(written) > MOST_SCHEMA_BYTES else ""


def is_deep(value: Any, left: int = MOST_SCHEMA_DEPTH) -> bool:
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left == 0 or any(is_deep(each, left - 1) for each in within)


def _finds_its_references(schema: dict[str, Any]) -> bool:
    try:
        resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
        return all(
            isinstance(resolver.lookup(reference).contents, dict | bool) for reference in _references(schema)
        )
    except Exception:  # noqa: BLE001  (of a pointer that steps into a list by a name the library says ValueError)
        return False


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for name, each in value.items() if name == "$ref" and isinstance(each, str))
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _references(each)


def check_arguments(name: str, schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    """What a model has written for the tool.

    Raises:
        BadArguments: no JSON object, or not as the schema wants it; the words say where.
    """
    try:
        given = msgspec.json.decode(text) if text.strip() else {}
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise _refused(name, [f"They are no valid JSON. They began with: {text[:80]}"]) from None
    if not isinstance(given, dict):
        raise _refused(name, ["They must be one JSON object."])
    try:
        problems = _problems(json.dumps(schema), given)
    except Exception:  # noqa: BLE001  (one side is written by a model, the other one by staff; 10**400 is no float)
        problems = [
            "They are nested too deeply, have too large a number, or the tool's schema cannot be read."
        ]
    if problems:
        raise _refused(name, problems)
    return given


def _problems(schema: str, given: dict[str, Any]) -> list[str]:
    found = sorted(
        _validator(schema).iter_errors(given), key=lambda error: list(map(str, error.absolute_path))
    )
    shown = [_in_words(error) for error in found[:MOST_PROBLEMS]]
    return shown + ([f"and {len(found) - MOST_PROBLEMS} more"] if len(found) > MOST_PROBLEMS else [])


def _pattern(
    validator: Any, pattern: str, instance: Any, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """As jsonschema's own, but for a time: a careless expression and an unlucky text would hold the whole process."""
    if not validator.is_type(instance, "string"):
        return
    try:
        found = regex.search(pattern, instance, timeout=PATTERN_SECONDS, concurrent=True)
    except TimeoutError:
        yield ValidationError(f"it takes too long to tell whether it matches {pattern!r}")
    else:
        if found is None:
            yield ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator: Final = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


@lru_cache(maxsize=128)
def _validator(schema: str) -> Any:
    # A registry of its own: what the schema refers to is never fetched from elsewhere.
    return _Validator(json.loads(schema), registry=Registry())


def _check_patterns(value: Any) -> None:
    """
    Raises:
        ValueError: an expression that cannot be read, or names of properties as expressions, which would be tried
            without a limit of time.
    """
    if isinstance(value, dict):
        if "patternProperties" in value:
            raise ValueError("patternProperties are not taken.")
        if isinstance(value.get("pattern"), str):
            try:
                regex.compile(value["pattern"])
            except regex.error as error:
                raise ValueError(f"pattern {value['pattern']!r}: {error}.") from None
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_patterns(each)


def _in_words(error: ValidationError) -> str:
    where = ".".join(str(step) for step in error.absolute_path)
    return f"{where}: {_short(error.message)}" if where else _short(error.message)


def _short(words: str) -> str:
    return words if len(words) <= SHOWN_CHARACTERS else f"{words[:SHOWN_CHARACTERS]}…"


def _refused(name: str, problems: list[str]) -> BadArguments:
    lines = "\n".join(f"- {problem}" for problem in problems)
    return BadArguments(f"The arguments for {name} were not accepted, and nothing was run:\n{lines}")
