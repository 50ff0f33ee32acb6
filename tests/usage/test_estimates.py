"""What is estimated of a call by its characters, and how that goes by what its model has reported."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from chat.llm.messages import (
    ChatMessage,
    FilePart,
    ImagePart,
    ModelRequest,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSchema,
)
from chat.models import LanguageModel
from chat.models.base import new_id
from chat.tasks import calibrate_estimates
from chat.usage.calibration import NEWEST, calibrate
from chat.usage.estimates import (
    BYTES_A_TOKEN,
    IMAGE_TOKENS,
    RULE,
    Measured,
    Ratios,
    estimate_input,
    estimate_stored,
)
from chat.usage.ledger import write_calls
from tests.factories import LanguageModelFactory, UserFactory


def asked(*parts: Part, **more: Any) -> ModelRequest:
    return ModelRequest("m", (ChatMessage("user", parts),), **more)


@pytest.mark.parametrize(
    ("request_", "tokens"),
    [
        (asked(TextPart("x" * 40)), 10),
        (asked(TextPart("x" * 40), system="y" * 40), 20),
        (asked(ReasoningPart("x" * 40)), 10),
        (asked(ToolCallPart("1", "name", '{"a": 1234567890, "b": "12345678901"}')), 11),
        (asked(ToolResultPart("1", "x" * 40)), 10),
        (asked(ImagePart(data=b"png")), IMAGE_TOKENS),
        (asked(FilePart("a.pdf", data=b"x" * 400)), 400 // BYTES_A_TOKEN),
        # name 4 + description 8 + {"type":"object"} 17 characters
        (asked(tools=(ToolSchema("name", "describe", {"type": "object"}),)), 8),
    ],
)
def test_all_that_is_sent_counts(request_: ModelRequest, tokens: int):
    assert estimate_input(request_) == tokens


def test_what_was_said_in_earlier_steps_counts_too():
    said = [ChatMessage("assistant", (TextPart("x" * 40),))]

    assert estimate_input(asked(TextPart("x" * 40)), said) == 20


def test_a_long_request_is_only_looked_at_where_somebody_needs_it():
    assert estimate_input(asked(TextPart("x" * 41)), most_characters=40) is None
    assert estimate_input(asked(TextPart("x" * 40)), most_characters=40) == 10


def test_stored_parts_count_as_what_is_sent_of_them():
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "x" * 40},
        {"type": "tool_call", "invocation": "1", "name": "n", "arguments": {"a": 12}},
        {"type": "tool_result", "invocation": "1", "result": "y" * 40},
    ]

    assert estimate_stored(parts) == 22


def test_ratios_are_applied_and_rounded_up():
    assert Measured(100, 10).by(Ratios(1084, 950)) == (109, 10)
    assert Measured(None, 0).by(Ratios()) == (0, 0)


def test_the_ledger_is_told_of_ratios_where_they_were_used():
    assert Measured(100, 10).noted() == {"rule": RULE, "input": 100, "output": 10}
    assert Measured(100, 10).noted(Ratios(1084, 950)) == {
        "rule": RULE,
        "input": 100,
        "output": 10,
        "input_ratio": 1.084,
        "output_ratio": 0.95,
    }


# --- what models have reported --------------------------------------------------------------------------

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.django_db
class TestCalibration:
    @pytest.fixture
    def model(self) -> LanguageModel:
        made: LanguageModel = LanguageModelFactory.create(provider__name="lab", name="one")
        return made

    def report(self, count: int, **changes: Any) -> None:
        """So many calls of which the rule says 100 and 50."""
        columns = {
            "pseudonym": UserFactory.create().pseudonym,
            "provider": "lab",
            "model": "one",
            "outcome": "completed",
            "usage_source": "reported",
            "input_tokens": 120,
            "output_tokens": 45,
            "estimate": {"rule": RULE, "input": 100, "output": 50},
            "started_at": NOW - timedelta(minutes=1),
        }
        write_calls({"id": new_id(), **columns, **changes} for _ in range(count))

    def ratios(self, model: LanguageModel, now: datetime = NOW) -> tuple[Decimal | None, Decimal | None]:
        calibrate(now)
        model.refresh_from_db()
        return model.input_ratio, model.output_ratio

    def test_the_ratio_is_what_was_reported_for_each_token_of_the_rule(self, model: LanguageModel):
        self.report(10)

        assert self.ratios(model) == (Decimal("1.2"), Decimal("0.9"))
        assert (model.input_ratio_calls, model.output_ratio_calls) == (10, 10)

    def test_twice_is_once(self, model: LanguageModel):
        self.report(10)

        assert [calibrate(NOW), calibrate(NOW)] == [1, 0]

    def test_few_calls_say_nothing(self, model: LanguageModel):
        self.report(9)

        assert self.ratios(model) == (None, None)
        assert model.input_ratio_calls == 9

    def test_odd_ones_move_it_little(self, model: LanguageModel):
        self.report(10)
        self.report(4, input_tokens=10**9, output_tokens=0)

        assert self.ratios(model) == (Decimal("1.2"), Decimal("0.9"))

    def test_it_has_bounds(self, model: LanguageModel):
        self.report(10, input_tokens=10**6, output_tokens=1)

        assert self.ratios(model) == (Decimal(4), Decimal("0.25"))

    def test_the_newest_calls_count(self, model: LanguageModel):
        self.report(NEWEST, input_tokens=200, started_at=NOW - timedelta(hours=1))
        self.report(NEWEST)

        assert self.ratios(model)[0] == Decimal("1.2")

    @pytest.mark.parametrize(
        "change",
        [
            {"usage_source": "estimated"},
            {"outcome": "stopped"},
            {"model": "two"},
            {"provider": "hall"},
            {"estimate": None},
            {"estimate": {"rule": "another", "input": 100, "output": 50}},
            {"estimate": {"rule": RULE, "input": 19, "output": 19}},
            {"started_at": NOW - timedelta(days=31)},
        ],
    )
    def test_other_calls_do_not(self, model: LanguageModel, change: dict[str, Any]):
        self.report(10, **change)

        assert self.ratios(model) == (None, None)

    def test_of_a_request_that_was_too_long_only_the_answer_counts(self, model: LanguageModel):
        self.report(10, estimate={"rule": RULE, "input": None, "output": 50})

        assert self.ratios(model) == (None, Decimal("0.9"))

    def test_thoughts_that_are_billed_and_not_shown_do_not_count(self, model: LanguageModel):
        self.report(10, output_tokens=900, reasoning_tokens=850)

        assert self.ratios(model) == (Decimal("1.2"), None)

    def test_what_nobody_reports_any_more_is_forgotten(self, model: LanguageModel):
        self.report(10)
        self.ratios(model)

        assert self.ratios(model, NOW + timedelta(days=31)) == (None, None)

    def test_the_task_goes_by_the_time_there_is(self, model: LanguageModel):
        self.report(10, started_at=datetime.now(UTC) - timedelta(minutes=1))

        assert calibrate_estimates() == 1
