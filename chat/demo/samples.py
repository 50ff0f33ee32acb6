"""A value that a JSON schema allows: the arguments and structured answers of a model that is a script."""

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 8
_FORMATS = {
    "date": "2024-01-31",
    "date-time": "2024-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "demo@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "hostname": "example.com",
}


def sample(schema: Any, text: str = "demo") -> Any:
    """The plainest value. Knows the keywords that providers accept for structured output, not `pattern`.

    `text` is what strings say where nothing else is asked of them.
    """
    root = schema if isinstance(schema, Mapping) else {}
    return _Sampler(root, text).value(root, 0)


class _Sampler:
    def __init__(self, root: Mapping[str, Any], text: str) -> None:
        self._root = root
        self._text = text

    def value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH * 3:
            return self._text
        if "$ref" in schema:
            return self.value(self._referenced(str(schema["$ref"])), depth + 1)
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        if schema.get("enum"):
            return schema["enum"][0]
        for keyword in ("anyOf", "oneOf"):
            if schema.get(keyword):
                rest = {name: value for name, value in schema.items() if name != keyword}
                return self.value({**rest, **self._shallowest(schema[keyword], depth)}, depth + 1)
        if schema.get("allOf"):
            merged = {name: value for name, value in schema.items() if name != "allOf"}
            for part in schema["allOf"]:
                merged = _merged(merged, self._resolved(part))
            return self.value(merged, depth + 1)
        return self._of_type(_type_of(schema), schema, depth)

    def _of_type(self, kind: str, schema: Mapping[str, Any], depth: int) -> Any:
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind == "string":
            return self._string(schema)
        if kind in ("integer", "number"):
            return _number(schema, whole=kind == "integer")
        return None if kind == "null" else True

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = set(schema.get("required") or ())
        wanted = properties if depth < MAX_DEPTH else {n: s for n, s in properties.items() if n in required}
        made = {name: self.value(part, depth + 1) for name, part in wanted.items()}
        return made | {name: self._text for name in schema.get("required") or () if name not in made}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        fewest = int(schema.get("minItems") or 0)
        count = max(fewest, 0 if depth >= MAX_DEPTH or schema.get("maxItems") == 0 else 1)
        first = list(schema.get("prefixItems") or ())
        items = schema.get("items", {"type": "string"})
        return [
            self.value(first[index] if index < len(first) else items, depth + 1)
            for index in range(max(count, len(first)))
        ]

    def _string(self, schema: Mapping[str, Any]) -> str:
        text = _FORMATS.get(str(schema.get("format")), self._text)
        fewest, most = int(schema.get("minLength") or 0), schema.get("maxLength")
        return text.ljust(fewest, "x")[: int(most)] if most is not None else text.ljust(fewest, "x")

    def _shallowest(self, choices: list[Any], depth: int) -> Mapping[str, Any]:
        """The first of the alternatives; deep inside one that ends a recursion, if there is any."""
        resolved = [self._resolved(choice) for choice in choices]
        plain = [choice for choice in resolved if _type_of(choice) not in ("object", "array")]
        return plain[0] if plain and depth >= MAX_DEPTH else resolved[0]

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        if isinstance(schema, Mapping) and "$ref" in schema:
            return self._referenced(str(schema["$ref"]))
        return schema if isinstance(schema, Mapping) else {}

    def _referenced(self, pointer: str) -> Mapping[str, Any]:
        found: Any = self._root
        for name in pointer.removeprefix("#").strip("/").split("/"):
            if name:
                found = found.get(name.replace("~1", "/").replace("~0", "~"), {})
        return found if isinstance(found, Mapping) else {}


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "array" if "items" in schema else "string" if "format" in schema else "object"


def _number(schema: Mapping[str, Any], *, whole: bool) -> int | float:
    least: float | None = schema.get("minimum")
    most: float | None = schema.get("maximum")
    if schema.get("exclusiveMinimum") is not None:
        above: float = schema["exclusiveMinimum"]
        least = above + 1 if whole else above + abs(above) / 1000 + 0.001
    if schema.get("exclusiveMaximum") is not None:
        below: float = schema["exclusiveMaximum"]
        most = below - 1 if whole else below - abs(below) / 1000 - 0.001
    value: float = 1 if least is None else least
    if most is not None:
        value = min(value, most)
    step = schema.get("multipleOf")
    if step:
        value = -(-value // step) * step
    return int(value) if whole else float(value)


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {**one, **other}
    for keyword in ("properties", "$defs"):
        if keyword in one and keyword in other:
            both[keyword] = {**one[keyword], **other[keyword]}
    if "required" in one and "required" in other:
        both["required"] = [*one["required"], *other["required"]]
    return both
