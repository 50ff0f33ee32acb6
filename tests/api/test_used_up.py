"""What is told over REST and the socket of a quota that is used up."""

import json
from datetime import UTC, datetime

from chat.api.root import problem
from chat.exceptions import BudgetExceeded
from chat.websocket.frames import refusal

ERROR = BudgetExceeded(
    "Your limit of 5.00 USD a day is used up.",
    retry_after_seconds=3600,
    resets_at=datetime(2026, 12, 2, tzinfo=UTC),
)


def test_a_problem_says_when_it_begins_anew():
    answer = problem(ERROR)
    body = json.loads(answer.content)
    assert (answer.status_code, answer["Retry-After"]) == (429, "3600")
    assert (body["code"], body["retryable"], body["resets_at"]) == (
        "budget_exceeded",
        True,
        "2026-12-02T00:00:00+00:00",
    )


def test_a_reply_says_when_it_begins_anew():
    error = json.loads(refusal(1, ERROR))["error"]
    assert (error["code"], error["retry_after_seconds"], error["resets_at"]) == (
        "budget_exceeded",
        3600,
        "2026-12-02T00:00:00+00:00",
    )
