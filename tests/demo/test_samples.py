"""Values made up for a JSON schema."""

import pytest

from chat.demo.samples import sample


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "demo"),
        ({"type": ["null", "string"]}, "demo"),
        ({"type": "string", "minLength": 6, "maxLength": 6}, "demoxx"),
        ({"type": "string", "format": "date"}, "2024-01-31"),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5, "multipleOf": 4}, 8),
        ({"type": "number", "maximum": 0.5}, 0.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 1),
        ({"allOf": [{"properties": {"a": {"type": "integer"}}}, {"required": ["a"]}]}, {"a": 1}),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 1),
        ({"type": "object", "required": ["a"]}, {"a": "demo"}),
        ({}, {}),
        (None, {}),
    ],
)
def test_the_plainest_value(schema, value):
    assert sample(schema) == value


def test_every_property_is_filled_in():
    schema = {"properties": {"a": {"type": "object", "properties": {"b": {"type": "boolean"}}}}}
    assert sample(schema) == {"a": {"b": True}}


def test_a_schema_that_holds_itself_comes_to_an_end():
    node = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}
    value, depth = sample({"$ref": "#/$defs/node", "$defs": {"node": node}}), 0
    while value:
        value, depth = value.get("next"), depth + 1
    assert 1 < depth < 20
