"""JSON held against rules: arguments of tools and their results."""

from chat.moderation.whole import ruled_json, ruled_text, ruled_written_json
from tests.moderation.rules_for_tests import rule, rules

RULES = rules(rule("email"), rule("phone"), rule("literal", "bomb", action="block"))


def test_texts_names_and_numbers_are_masked_wherever_they_stand():
    value = {"to": ["bob@example.org", 3], "bob@example.org": {"n": 13800138000}, "on": True, "x": None}
    found = ruled_json(value, RULES)
    assert found.value == {"to": ["[e-mail]", 3], "[e-mail]": {"n": "[phone]"}, "on": True, "x": None}
    assert len(found.hits) == 3


def test_escapes_hide_nothing():
    found = ruled_written_json(r'{"to": "bob\u0040example.org"}', RULES)
    assert (found.value, found.altered) == ('{"to":"[e-mail]"}', True)


def test_what_is_harmless_stays_as_it_was_written():
    written = '{ "a" : 1.0 }'
    assert ruled_written_json(written, RULES).value is written


def test_what_is_no_json_is_a_text():
    assert ruled_written_json("bob@example.org {", RULES).value == "[e-mail] {"


def test_what_ends_a_text_ends_all_of_it():
    found = ruled_json({"a": ["the BOMB"]}, RULES)
    assert found.ended_by is not None
    assert found.ended_by.action == "block"
    assert ruled_text("nothing", RULES).ended_by is None
