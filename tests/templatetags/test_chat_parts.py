from chat.templatetags.chat_parts import (
    closed_after_ms,
    model_facts,
    money,
    segments,
    short_model,
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
    assert [call["status"] for call in frame["calls"]] == ["succeeded", "pending"]
    assert frame["calls"][0]["facts"] == [("order", "A-17")]
    assert frame["calls"][1]["facts"] == [("arguments", '{"half": ')]


def test_the_stop_receipt_tells_how_fast_the_line_was_closed():
    receipt = {"requested_at": "2026-01-05T10:00:00.000Z", "upstream_closed_at": "2026-01-05T10:00:00.041Z"}
    assert closed_after_ms(receipt) == 41
    assert closed_after_ms({**receipt, "upstream_closed_at": None}) is None
    assert closed_after_ms(None) is None


def test_a_models_facts_are_those_that_are_known():
    assert (
        model_facts({"price_in": "3.00", "price_out": "15", "context_window": 200_000}) == "$3 / $15 · 200k"
    )
    assert model_facts({"price_in": None, "price_out": None, "context_window": None}) == ""


def test_a_short_model_name_is_what_follows_the_provider():
    assert short_model("router/meta/llama") == "meta/llama"


def test_thousands_are_set_apart():
    assert thousands(4871) == "4,871"
