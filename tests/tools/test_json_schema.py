"""Arguments against schemas that staff have written."""

import json
import time

import pytest

from tools.exceptions import BadArguments
from tools.json_schema import check_arguments, problem_of_schema

PARCEL = {
    "type": "object",
    "properties": {
        "to": {"type": "string", "minLength": 2},
        "speed": {"enum": ["economy", "express"]},
        "boxes": {"type": "array", "items": {"$ref": "#/$defs/box"}},
    },
    "required": ["to"],
    "additionalProperties": False,
    "$defs": {"box": {"type": "object", "properties": {"kg": {"type": "number", "maximum": 30}}}},
}


def test_what_fits_is_read():
    assert problem_of_schema(PARCEL) == ""
    assert check_arguments("ship", PARCEL, '{"to": "Ada", "boxes": [{"kg": 3}]}') == {
        "to": "Ada",
        "boxes": [{"kg": 3}],
    }


def test_no_arguments_are_an_empty_object():
    assert check_arguments("ping", {"type": "object"}, "") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "'to' is a required property"),
        ('{"to": "A"}', "to: 'A' is too short"),
        ('{"to": 7}', "to: 7 is not of type 'string'"),
        ('{"to": "Ada", "speed": "now"}', "speed: 'now' is not one of ['economy', 'express']"),
        (
            '{"to": "Ada", "boxes": [{"kg": 1}, {"kg": 70}]}',
            "boxes.1.kg: 70 is greater than the maximum of 30",
        ),
        ('{"to": "Ada", "sped": "express"}', "'sped' was unexpected"),
        ("[]", "They must be one JSON object."),
        ('{"to": "Ad', "They are no valid JSON."),
        ('{"to": NaN}', "They are no valid JSON."),
    ],
)
def test_what_does_not_fit_is_said_in_words(text, words):
    with pytest.raises(BadArguments) as refused:
        check_arguments("ship", PARCEL, text)
    assert words in str(refused.value)
    assert "nothing was run" in str(refused.value)


def test_of_many_problems_five_are_said():
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in "abcdefg"}}
    with pytest.raises(BadArguments) as refused:
        check_arguments("many", schema, '{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}')
    assert str(refused.value).count("is not of type") == 5
    assert "and 2 more" in str(refused.value)


def test_arguments_that_are_nested_too_deeply_are_refused():
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    schema = {
        "type": "object",
        "$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}}}},
        "$ref": "#/$defs/a",
    }
    with pytest.raises(BadArguments):
        check_arguments("deep", schema, deep)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ({"type": "number", "multipleOf": 0.1}, "1" + "0" * 400),
        ({"type": "string", "pattern": "("}, '"x"'),
    ],
)
def test_what_the_check_itself_trips_over_is_refused(wanted, given):
    with pytest.raises(BadArguments, match="nothing was run"):
        check_arguments("odd", {"type": "object", "properties": {"a": wanted}}, f'{{"a": {given}}}')


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ([], "no schema of an object"),
        ({"type": "string"}, "no schema of an object"),
        ({"type": "object", "required": "to"}, "no JSON schema"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}, "refers to what is not in it"),
        (
            {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/s"}}},
            "refers to what is not in it",
        ),
        ({"type": "object", "required": ["a"], "$ref": "#/required/x"}, "refers to what is not in it"),
        ({"type": "object", "required": ["a"], "$ref": "#/required"}, "refers to what is not in it"),
        ({"type": "object", "default": float("nan")}, "that JSON does not have"),
        ({"type": "object", "default": 10**5000}, "that JSON does not have"),
        ({"type": "object", "default": "a\x00"}, "NUL"),
        ({"type": "object", "description": "x" * 65_536}, "larger than 64 kB"),
    ],
)
def test_what_is_no_schema_of_a_tools_parameters_is_said(schema, words):
    assert words in problem_of_schema(schema)


def test_what_a_schema_refers_to_elsewhere_is_not_fetched():
    elsewhere = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/s"}}}
    with pytest.raises(BadArguments, match="schema cannot be read"):
        check_arguments("away", elsewhere, '{"a": 1}')


def test_an_expression_that_would_take_for_ever_is_left_after_a_moment():
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a|aa)+$"}}}
    began = time.monotonic()
    with pytest.raises(BadArguments, match="takes too long"):
        check_arguments("slow", schema, json.dumps({"a": "a" * 60 + "!"}))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"a": {"pattern": "("}}, "'(' is not a 'regex'"),
        ({"a": {"pattern": "(?"}}, "'(?' is not a 'regex'"),
        ({"a": {"type": "object", "patternProperties": {"^x": {}}}}, "patternProperties are not taken"),
    ],
)
def test_expressions_that_cannot_be_tried_are_refused(properties, words):
    assert words in problem_of_schema({"type": "object", "properties": properties})


def test_a_pattern_that_fits_is_no_problem():
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-z]+$"}}}
    assert problem_of_schema(schema) == ""
    assert check_arguments("quick", schema, '{"a": "abc"}') == {"a": "abc"}
    with pytest.raises(BadArguments, match="'ABC' does not match"):
        check_arguments("quick", schema, '{"a": "ABC"}')
