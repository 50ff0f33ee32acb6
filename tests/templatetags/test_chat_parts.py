from typing import Any

from chat.templatetags.chat_parts import (
    duration,
    file_size,
    in_words,
    language,
    model_facts,
    model_facts_title,
    money,
    segments,
    shown_model,
    source,
    thousands,
)


def test_money_shows_cents_or_as_many_digits_as_say_something():
    amounts = ["20.03", "0.0155", "0.003800", "0.000012", "0", "1234.5"]
    shown = [money({"amount": amount, "currency": "USD"}) for amount in amounts]
    assert shown == ["$20.03", "$0.0155", "$0.0038", "$0.000012", "$0", "$1,234.50"]
    assert money({"amount": "1", "currency": "EUR"}) == "1.00 EUR"
    assert money(None) == ""


def test_citations_do_not_cut_a_paragraph_in_two():
    parts: list[dict[str, object]] = [
        {"type": "reasoning", "text": "hm"},
        {"type": "text", "text": "One "},
        {"type": "citation", "url": "https://e.org", "title": "E", "start": 0, "end": 3},
        {"type": "text", "text": "paragraph."},
    ]
    shown = segments(parts)
    assert [one["kind"] for one in shown] == ["reasoning", "text", "sources"]
    assert shown[1]["text"] == "One paragraph."
    assert source(parts) == "One paragraph."


def test_a_result_finds_its_call_and_neighbours_share_a_frame():
    shown = segments(
        [
            {"type": "tool_call", "invocation": "a", "name": "x", "arguments": {"order": "A-17"}},
            {"type": "tool_call", "invocation": "b", "name": "y", "arguments": '{"half": '},
            {"type": "tool_result", "invocation": "a", "status": "succeeded", "result": {"ok": True}},
        ]
    )
    [frame] = shown
    assert [call["status"] for call in frame["calls"]] == ["succeeded", "cancelled"]
    assert in_words(frame["calls"][0])["fields"] == [{"name": "order", "kind": "line", "value": "A-17"}]


def test_while_an_answer_is_alive_the_rows_tell_how_its_calls_stand():
    parts = [
        {"type": "tool_call", "invocation": key, "name": "x", "arguments": {"order": "A-17"}}
        for key in "abcd"
    ]
    rows = {
        "a": {
            "status": "waiting",
            "waits_for": "approval",
            "fraction": None,
            "note": "",
            "duration_ms": None,
        },
        "b": {"status": "running", "waits_for": "", "fraction": 0.5, "note": "Half way", "duration_ms": None},
        "c": {"status": "succeeded", "waits_for": "", "fraction": 1, "note": "There", "duration_ms": 1234},
    }
    [frame] = segments(parts, {"invocations": rows, "live": True})
    asked, running, done, fresh = map(in_words, frame["calls"])
    assert (asked["word"], asked["approval"], asked["gist"]) == ("Waits for you", True, "A-17")
    assert (running["gist"], running["fraction"], running["approval"]) == ("Half way", 0.5, False)
    assert (done["word"], done["gist"], done["fraction"]) == ("1.2 s", "A-17", None)
    assert fresh["word"] == "Waits its turn"


def test_a_models_facts_are_those_that_are_known():
    assert (
        model_facts({"price_in": "3.00", "price_out": "15", "context_window": 200_000}) == "$3 / $15 · 200k"
    )
    assert model_facts({"price_in": None, "price_out": None, "context_window": None}) == ""


def test_a_short_model_name_is_what_follows_the_provider():
    assert shown_model("router/meta/llama") == "meta/llama"


def test_thousands_are_set_apart():
    assert thousands(4871) == "4,871"


def test_a_model_without_a_price_is_free_and_the_units_are_told():
    free = {"price_in": "0", "price_out": "0", "context_window": 8000}
    assert model_facts(free) == "free · 8k"
    assert model_facts_title(free) == "tokens of context"
    priced = {"price_in": "0.10", "price_out": "3", "currency": "EUR"}
    assert model_facts(priced) == "0.1 / 3 EUR"
    assert model_facts_title(priced) == "EUR per million tokens in / out"


def test_sizes_are_as_exact_as_they_matter():
    shown = [file_size(size) for size in (0, 1, 999, 1000, 3977, 999_499, 999_500, 20_000_000)]
    assert shown == ["0 bytes", "1 byte", "999 bytes", "1 kB", "4 kB", "999 kB", "1.0 MB", "20.0 MB"]


def test_durations_are_as_exact_as_they_matter():
    shown = [duration(ms) for ms in (610, 615, 9300, 38_000, 119_499, 360_000)]
    assert shown == ["0.61 s", "0.62 s", "9.3 s", "38 s", "119 s", "6 min"]


def test_text_that_is_mostly_chinese_says_so():
    assert language("数据库的索引 (B-tree) 在写入时需要更新。") == "zh"
    assert language("The sign 中 means middle.") == ""
    assert language("これは日本語の文章です。漢字もあります。") == ""
    assert language("") == ""
    assert language("Latin first. " * 20 + "然后是中文。" * 50) == ""


def test_a_thought_without_words_shows_nothing_and_parts_no_text():
    sealed = {"type": "reasoning", "text": "", "opaque": {"signature": "a"}}
    assert segments([sealed]) == []
    words: list[dict[str, Any]] = [{"type": "text", "text": "One "}, sealed, {"type": "text", "text": "two"}]
    assert segments(words) == [{"kind": "text", "text": "One two"}]


def test_thoughts_in_a_row_stand_under_one_another():
    thoughts: list[dict[str, Any]] = [
        {"type": "reasoning", "text": "First.", "opaque": 1},
        {"type": "reasoning", "text": "Second."},
    ]
    assert segments(thoughts) == [{"kind": "reasoning", "text": "First.\n\nSecond."}]
