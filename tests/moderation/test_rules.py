"""Rules: what they find, and which ones cannot be run."""

import pytest

from chat.moderation.patterns import BadPattern, parse
from chat.moderation.recognisers import resident_check
from chat.moderation.rules import BadRule, checked, literal_pattern, longest_of
from tests.moderation.rules_for_tests import outcome, rule, rules


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("email", "to a.b+c@mail.example.co.uk.", "to [e-mail]."),
        ("email", "no@address", "no@address"),
        ("phone", "+49 30 901820", "[phone]"),
        ("phone", "(212) 555-0142 x", "[phone] x"),
        ("phone", "212-555-0142", "[phone]"),
        ("phone", "call 13800138000 now", "call [phone] now"),
        ("phone", "0086 138 0013 8000", "[phone]"),
        ("phone", "010-62345678", "[phone]"),
        ("phone", "138001380001", "138001380001"),
        ("phone", "in 2026, 12345 of 67890", "in 2026, 12345 of 67890"),
        ("card", "5555-5555-5555-4444", "[card]"),
        ("card", "4111111111111112", "4111111111111112"),
        ("card", "0000000000000000", "0000000000000000"),
        ("card", "4111111111111111 12", "[card] 12"),
        ("card", "94111111111111111234567", "94111111111111111234567"),
        ("cn_id", "11010519491231002x", "[ID number]"),
        ("cn_id", "110105194912310021", "110105194912310021"),
        ("cn_id", "11010519490231002X", "11010519490231002X"),
        ("literal", "", ""),
    ],
)  # fmt: skip
def test_recognisers_find_what_they_are_for_and_nothing_else(kind, text: str, shown: str):
    pattern = "x" if kind == "literal" else ""
    assert outcome(rules(rule(kind, pattern)), [text])[0] == shown
    assert outcome(rules(rule(kind, pattern)), list(text))[0] == shown


def test_the_check_digit_is_that_of_the_standard():
    assert [resident_check(number) for number in ("11010519491231002", "34052419800101001")] == ["X", "X"]


def test_case_is_folded_and_accents_may_be_composed_either_way():
    for written in ("STRASSE", "straße", "Strasse", "STRAẞE"):
        assert outcome(rules(rule("literal", "Straße")), [written])[0] == "[removed]"
    for written in ("caf\u00e9", "cafe\u0301", "CAF\u00c9"):
        assert outcome(rules(rule("literal", "café")), list(written))[0] == "[removed]"


@pytest.mark.parametrize(
    ("pattern", "longest"),
    [("abc", 3), ("a{2,5}", 5), ("a|bcd", 3), (r"\bx\b", 1), (r"\pL{3}", 3), (r"[[:alpha:]]\x{1F600}", 2), ("a+", None),
     (r"\Qa.b\E+", None), ("(?i)k(?P<name>l)(?:m)?", 3), ("a{,2}", 5), ("[]a]{2}", 2), ("[^]]", 1)],
)  # fmt: skip
def test_the_longest_match_of_a_pattern_is_known(pattern: str, longest: int | None):
    assert longest_of("regex", pattern) == longest


@pytest.mark.parametrize(
    "pattern", ["(a", "a)", "[a", "*a", r"a\C", "(?=a)b", "a{3,2}", "a**\\", r"\p{Nobody}", "a{1001}"]
)
def test_a_pattern_that_is_none_is_refused(pattern: str):
    with pytest.raises(BadRule) as refused:
        checked(rule("regex", pattern))
    assert refused.value.field == "pattern"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (rule("regex", "a*"), "pattern"),
        (rule("regex", ""), "pattern"),
        (rule("literal", "a long phrase", longest=3), "longest_match"),
        (rule("regex", "a+", longest=5000), "longest_match"),
        (rule("length", longest=0), "longest_match"),
        (rule("email", label='a "quoted" label'), "label"),
    ],
)
def test_a_rule_that_cannot_be_held_to_is_refused(wrong, field: str):
    with pytest.raises(BadRule) as refused:
        checked(wrong)
    assert refused.value.field == field


def test_the_beginnings_of_a_pattern_are_all_prefixes_of_its_words_and_no_more():
    import re

    words = ["ab", "abb", "abbb", "acd", "acdcd"]
    beginnings = re.compile(parse("a(?:b{1,3}|(?:cd){1,2})").beginnings)
    prefixes = {word[:end] for word in words for end in range(len(word) + 1)}
    for text in {"b", "ac", "acdc", "abbbb", "acdcdc", "c", "d", "aa"} | prefixes:
        assert bool(beginnings.fullmatch(text)) == (text in prefixes), text


def test_groups_nested_beyond_reason_are_refused():
    with pytest.raises(BadPattern):
        parse("(" * 500 + "a" + ")" * 500)


def test_a_literal_stands_for_itself():
    assert outcome(rules(rule("literal", "1+1 (a.b)?")), ["is 1+1 (a.b)? so"])[0] == "is [removed] so"
    assert literal_pattern("a.b").startswith("(?i)")
