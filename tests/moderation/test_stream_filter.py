"""A text held against rules while it comes."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.moderation.rules import RuleSet
from chat.moderation.stream_filter import StreamFilter
from tests.moderation.rules_for_tests import heard, outcome, rule, rules

EVERYTHING = RuleSet(
    [
        rule("email"),
        rule("phone"),
        rule("card"),
        rule("cn_id"),
        rule("literal", "Straße", label="[road]"),
        rule("literal", "secret word", action="flag"),
        rule("regex", "a+b$", longest=5, label="[ab]"),
        rule("regex", r"\bfoo\w*\b", longest=8),
        rule("literal", "秘密", longest=2),
        rule("regex", "xy{2,}z?", longest=6, action="stop"),
        rule("literal", "forbidden", action="block"),
        rule("length", longest=400, action="stop"),
    ]
)
PIECES = [
    "alice@example.com", "@", "a", "b", "foo", "bar", " ", "4111111111111111", "1", "+", "4155552671", "415-555-2671",
    "straße", "STRA", "SSE", "\u0301", "\u200b", "秘", "密", "xy", "y", "z", "secret", " word", "forbid", "den",
    "11010519491231002X", "é", ".com", "-", "\n", "0086", "13800138000", "aaa", "ab", "👩‍👩", "１", "\ufe0f",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
LEAKS = ("alice@example.com", "4111111111111111", "415-555-2671", "11010519491231002X", "秘密", "forbidden")


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


@given(TEXTS, st.lists(st.integers(0, 500), max_size=60))
@settings(deadline=None, max_examples=300)
def test_a_text_becomes_the_same_wherever_it_is_cut(text: str, places: list[int]):
    assert outcome(EVERYTHING, cut(text, places)) == outcome(EVERYTHING, [text])


def test_ten_thousand_ways_to_cut_leak_nothing():
    """P15. What is checked at every chunk: of a text that has to go, not even its beginning was given out."""
    chance = random.Random(15)  # noqa: S311  (the same each time)
    for _ in range(10_000):
        leak = chance.choice(LEAKS)
        before = " ".join(
            chance.choices(("so", "the", "answer", "is", "das", "好的", "and"), k=chance.randint(0, 6))
        )
        text = f"{before} {leak} and more"
        pieces = cut(text, [chance.randint(0, len(text)) for _ in range(chance.randint(0, len(text)))])
        stream = StreamFilter(EVERYTHING)
        shown = ""
        for piece in [*pieces, None]:
            shown += stream.add(piece) if piece is not None else stream.finish()
            assert leak[:3] not in shown, (text, pieces)
            assert shown == before[: len(shown)] or shown.startswith(f"{before} "[: len(shown)]), (
                text,
                pieces,
            )


def test_a_match_is_masked_by_the_same_words_wherever_it_is_cut():
    ruled = rules(rule("email"))
    whole = "Ask bob@example.org today."
    for place in range(len(whole)):
        assert "".join(heard(ruled, whole[:place], whole[place:])) == "Ask [e-mail] today."


def test_only_what_may_begin_a_match_is_held_back():
    ruled = rules(rule("literal", "password"))
    assert heard(ruled, "The pass", "age is open. p", "ass", "word!") == [
        "The ",
        "passage is open. ",
        "",
        "[removed]!",
        "",
    ]


def test_nothing_is_held_back_where_nothing_can_begin():
    ruled = rules(rule("literal", "password"), rule("card"), rule("cn_id"))
    assert heard(ruled, "Hello", ", how are", " you?") == ["Hello", ", how are", " you?", ""]


def test_a_word_that_may_be_the_beginning_of_an_address_waits_for_what_follows_it():
    assert heard(rules(rule("email")), "Hello", " Bob", ".") == ["", "Hello ", "", "Bob."]


def test_what_is_flagged_goes_through_and_is_noted():
    ruled = rules(rule("literal", "rosebud", action="flag"))
    assert outcome(ruled, ["It was Rose", "bud."]) == ("It was Rosebud.", [("rosebud", 7, 7)], None)


@pytest.mark.parametrize("action", ["stop", "block"])
def test_what_ends_a_text_keeps_what_came_before_and_shows_nothing_of_the_match(action: str):
    ruled = rules(rule("literal", "rosebud", action=action))
    assert outcome(ruled, ["It was Ro", "sebud, and", " more"]) == ("It was ", [("rosebud", 7, 7)], "rosebud")


def test_of_rules_that_begin_at_one_place_the_strictest_wins_and_then_the_longest():
    ruled = rules(
        rule("literal", "gold", label="[short]"),
        rule("literal", "gold mine", label="[long]"),
        rule("literal", "gold mine shaft", action="flag"),
    )
    assert outcome(ruled, ["gold mine shaft"])[0] == "[long] shaft"
    strict = rules(rule("literal", "gold mine"), rule("literal", "gold", action="block"))
    assert outcome(strict, ["a gold mine"])[0] == "a "


def test_masks_that_overlap_cover_all_of_both():
    ruled = rules(rule("literal", "alpha beta"), rule("literal", "beta gamma"))
    assert outcome(ruled, ["x alpha beta gamma y"])[0] == "x [removed] y"


def test_a_stricter_rule_within_a_mask_still_ends_the_text():
    ruled = rules(rule("literal", "alpha beta"), rule("literal", "beta gamma", action="stop"))
    assert outcome(ruled, ["x alpha beta gamma y"]) == (
        "x [removed]", [("alpha beta", 2, 10), ("beta gamma", 8, 10)], "beta gamma"
    )  # fmt: skip


def test_a_match_is_no_longer_than_its_rule_says():
    ruled = rules(rule("regex", "a+", longest=3, label="*"))
    for chunks in (["aaaaaaa"], list("aaaaaaa")):
        assert outcome(ruled, chunks)[0] == "***"


def test_a_pattern_without_an_end_holds_back_no_more_than_its_longest_match():
    stream = StreamFilter(rules(rule("regex", "a+b", longest=5)))
    shown = sum(len(stream.add("a")) for _ in range(100))
    assert shown == 95


def test_invisible_characters_between_letters_hide_nothing():
    ruled = rules(rule("literal", "secret"))
    for chunks in (["a se\u200bcr\u00adet b"], list("a se\u200bcr\u00adet b")):
        assert outcome(ruled, chunks)[0] == "a [removed] b"


def test_what_is_shown_keeps_its_invisible_characters():
    ruled = rules(rule("literal", "secret"))
    family = "a 👩\u200d👩\u200d👧 b\u200b"
    assert outcome(ruled, list(family))[0] == family


def test_full_width_digits_are_digits():
    assert outcome(rules(rule("card")), ["Nr. ４１１１１１１１１１１１１１１１."])[0] == "Nr. [card]."


def test_no_accent_is_left_of_what_is_masked():
    ruled = rules(rule("literal", "cafe"))
    for chunks in (["the cafe\u0301 here"], list("the cafe\u0301 here")):
        assert outcome(ruled, chunks)[0] == "the [removed] here"


def test_a_text_that_is_too_long_is_cut_where_it_is_too_long():
    ruled = rules(rule("length", longest=10, action="stop", name="length"))
    for chunks in (["0123456789abc"], list("0123456789abc")):
        assert outcome(ruled, chunks) == ("0123456789", [("length", 10, 0)], "length")
    assert outcome(ruled, ["0123456789"])[2] is None


def test_half_a_surrogate_does_no_harm():
    ruled = rules(rule("literal", "secret"))
    assert outcome(ruled, ["\ud83d secret"])[0] == "\ud83d [removed]"


def test_a_megabyte_of_what_nearly_matches_takes_a_moment():
    ruled = rules(rule("card"), rule("email"), rule("phone"))
    stream = StreamFilter(ruled)
    shown = sum(len(stream.add("1234 5678 ")) for _ in range(20_000))
    assert shown + len(stream.finish()) == 200_000
