import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.resilience.rate_headers import RateFacts, RateLimits, rate_limits, reset_seconds

NOW = 1_767_225_600.0
"""2026-01-01T00:00:00Z"""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("6m0s", 360),
        ("4ms", 0.004),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("1d", 86_400),
        ("850us", 0.00085),
        ("0s", 0),
        ("60", 60),
        ("1.5", 1.5),
        (" 7 ", 7),
        ("2026-01-01T00:00:30Z", 30),
        ("2026-01-01T01:00:30+01:00", 30),
        ("1767225630", 30),
        ("1767225630500", 30.5),
        ("2025-12-31T23:59:00Z", 0),
        ("-5", 0),
        ("25h", 90_000),
    ],
)
def test_resets_are_read_in_every_spelling(value: str, seconds: float):
    assert reset_seconds(value, NOW) == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize(
    "value",
    [
        *("", "soon", "6m0", "nan", "inf", "1e999", "2026-01-01T00:00:30", "m", "5 minutes"),
        *("90001", "999999999", "99999999999999999999", "999999999d", "9999-12-31T23:59:59Z"),
    ],
)
def test_what_is_no_reset_is_not_read(value: str):
    assert reset_seconds(value, NOW) is None


def test_openai():
    limits = rate_limits(
        {
            "X-RateLimit-Limit-Requests": "500",
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-reset-requests": "120ms",
            "x-ratelimit-limit-tokens": "30000",
            "x-ratelimit-remaining-tokens": "29976",
            "x-ratelimit-reset-tokens": "6m0s",
            "content-type": "text/event-stream",
        },
        NOW,
    )
    assert limits == RateLimits(RateFacts(500, 499, 0.12), RateFacts(30_000, 29_976, 360))


def test_anthropic_shows_the_tightest_of_its_token_limits():
    limits = rate_limits(
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:02Z",
            "anthropic-ratelimit-input-tokens-limit": "40000",
            "anthropic-ratelimit-input-tokens-remaining": "39000",
            "anthropic-ratelimit-input-tokens-reset": "2026-01-01T00:00:02Z",
            "anthropic-ratelimit-output-tokens-limit": "8000",
            "anthropic-ratelimit-output-tokens-remaining": "0",
            "anthropic-ratelimit-output-tokens-reset": "2026-01-01T00:01:00Z",
        },
        NOW,
    )
    assert limits == RateLimits(RateFacts(50, 49, 2), RateFacts(8000, 0, 60))


def test_mistral_names_the_window():
    limits = rate_limits(
        {
            "x-ratelimit-limit-req-minute": "50",
            "x-ratelimit-remaining-req-minute": "49",
            "x-ratelimit-limit-tokens-minute": "50000",
            "x-ratelimit-remaining-tokens-minute": "47300",
            "x-ratelimit-tokens-query-cost": "1300",
        },
        NOW,
    )
    assert limits == RateLimits(RateFacts(50, 49), RateFacts(50_000, 47_300))


def test_openrouter_counts_in_milliseconds_since_1970():
    headers = {
        "X-RateLimit-Limit": "20",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1767225660000",
    }
    assert rate_limits(headers, NOW) == RateLimits(RateFacts(20, 0, 60))


def test_of_a_minute_and_a_day_the_tighter_is_taken():
    headers = {
        "x-ratelimit-limit-requests-minute": "30",
        "x-ratelimit-remaining-requests-minute": "29",
        "x-ratelimit-limit-requests-day": "1000",
        "x-ratelimit-remaining-requests-day": "2",
        "x-ratelimit-reset-requests-day": "3600.5",
    }
    assert rate_limits(headers, NOW).requests == RateFacts(1000, 2, 3600.5)


def test_a_name_that_is_not_known_and_a_figure_that_is_none_are_left_out():
    headers = {
        "x-ratelimit-over-limit": "no",
        "x-ratelimit-limit-images": "7",
        "x-ratelimit-limit-requests": "unlimited",
        "x-ratelimit-remaining-requests": "-1",
    }
    assert rate_limits(headers, NOW) == RateLimits()


@given(
    st.dictionaries(
        st.sampled_from(
            ["x-ratelimit-limit", "ratelimit-reset", "anthropic-ratelimit-tokens-reset", "x-ratelimit--"]
        ),
        st.text(max_size=80),
    )
)
def test_no_header_breaks_the_reader(headers: dict[str, str]):
    limits = rate_limits(headers, NOW)
    for facts in (limits.requests, limits.tokens):
        if facts is not None and facts.reset_seconds is not None:
            assert 0 <= facts.reset_seconds <= 31 * 86_400
