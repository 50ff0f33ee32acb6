"""Refusals in every shape become errors sorted by what to do next."""

import gzip
import json
from typing import Any

import pytest

from chat.exceptions import ContextTooLong, ProviderAuth, ProviderError, ProviderOverloaded, ProviderRejected
from chat.llm.dialects.errors import capability_after_refusal, http_error, redirect_error, retry_after


def refused(status: int, body: Any = b"", **headers: str) -> ProviderError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http_error(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def openai_error(message: str, param: str, code: str) -> Any:
    return {"error": {"message": message, "param": param, "code": code, "type": "invalid_request_error"}}


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "m", "type": "t", "param": None, "code": "c"}}, "m", "c"),
        ({"error": {"message": "m", "code": 400, "metadata": {"provider_name": "p"}}}, "m", 400),
        ({"type": "error", "error": {"type": "t", "message": "m"}, "request_id": "r"}, "m", None),
        ({"error": "m", "code": "invalid-argument"}, "m", "invalid-argument"),
        ({"error": "m"}, "m", None),
        (
            {"object": "error", "message": "m", "type": "t", "code": "1500", "raw_status_code": 400},
            "m",
            "1500",
        ),
        ({"detail": "m"}, "m", None),
        ({"detail": [{"msg": "m", "loc": ["body", "x"]}]}, "body.x: m", None),
        ({"code": 400, "message": "m", "type": "Bad Request"}, "m", 400),
        ([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}], "m", 400),
        ({"success": False, "errors": [{"code": 7003, "message": "m"}]}, "m", 7003),
        ({"error": {"message": {"odd": 1}}}, '{"odd": 1}', None),
    ],
)
def test_bodies_in_every_shape(body: Any, message: str, code: Any):
    error = refused(400, body)
    assert isinstance(error, ProviderRejected)
    assert (error.detail, error.upstream_code, error.status) == (message, code, 400)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, ProviderRejected, False),
        (401, ProviderAuth, False),
        (402, ProviderRejected, False),
        (403, ProviderAuth, False),
        (404, ProviderRejected, False),
        (408, ProviderOverloaded, True),
        (409, ProviderOverloaded, True),
        (413, ProviderRejected, False),
        (418, ProviderRejected, False),
        (422, ProviderRejected, False),
        (429, ProviderOverloaded, True),
        (500, ProviderOverloaded, True),
        (502, ProviderOverloaded, True),
        (503, ProviderOverloaded, True),
        (504, ProviderOverloaded, True),
        (529, ProviderOverloaded, True),
        (599, ProviderOverloaded, True),
    ],
)
def test_the_status_decides_where_the_body_says_nothing(status: int, kind: type, retryable: bool):
    error = refused(status)
    assert type(error) is kind
    assert error.retryable is retryable
    assert error.detail.startswith(f"HTTP {status}")


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
        {"error": {"message": "x", "type": "insufficient_quota"}},
        {"error": {"message": "x", "code": "enforced_spend_limit_reached"}},
    ],
)
def test_an_empty_account_is_not_worth_a_retry(body: Any):
    error = refused(429, body, retry_after="1")
    assert isinstance(error, ProviderRejected)
    assert "credit" in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "request (2009 tokens) exceeds the available context size (512 tokens), try increasing it",
        "The input token count (1200000) exceeds the maximum number of tokens allowed",
    ],
)
def test_a_conversation_too_long_is_said_so(message: str):
    error = refused(400, {"error": {"message": message}})
    assert isinstance(error, ProviderRejected)
    assert isinstance(error, ContextTooLong)
    assert str(error) == ContextTooLong.message


def test_a_token_rate_limit_is_not_a_long_conversation():
    message = (
        "Request too large for gpt-4o on tokens per min (TPM): Limit 1. Reduce the length of the messages."
    )
    assert isinstance(
        refused(429, {"error": {"message": message, "code": "rate_limit_exceeded"}}), ProviderOverloaded
    )


def test_a_bad_key_with_status_400_is_still_a_bad_key():
    body = {"code": "invalid-argument", "error": "Incorrect API key provided."}
    assert isinstance(refused(400, body), ProviderAuth)


def test_moderation_with_status_403_is_a_refusal():
    message = "Your chosen model requires moderation and your input was flagged"
    assert isinstance(refused(403, {"error": {"message": message, "code": 403}}), ProviderRejected)


@pytest.mark.parametrize(
    "body",
    [
        b"<html><h1>502 Bad Gateway</h1></html>",
        b"\x1f\x8b" + gzip.compress(b"x"),
        b"",
        b"{broken",
        b"[1]",
        b"\xff\xfe",
    ],
)
def test_what_is_not_readable_becomes_the_status_line(body: bytes):
    error = refused(502, body)
    assert error.detail == "HTTP 502 Bad Gateway"
    assert "<" not in str(error)


def test_plain_words_are_kept():
    assert (
        refused(503, b"upstream connect error\nmore").detail
        == "HTTP 503 Service Unavailable: upstream connect error"
    )


def test_a_huge_body_is_read_up_to_its_limit():
    assert len(refused(400, {"error": {"message": "x" * 60_000}}).detail) == 2000
    assert refused(400, b'{"error": "' + b"x" * 1_000_000 + b'"}').detail.startswith("HTTP 400")


def test_the_message_of_the_provider_behind_a_router_is_kept():
    metadata = {"raw": "temporarily rate-limited upstream", "provider_name": "Google"}
    error = refused(429, {"error": {"code": 429, "message": "Provider returned error", "metadata": metadata}})
    assert error.detail == "Provider returned error (temporarily rate-limited upstream)"


def test_text_in_errors_is_fit_for_storage():
    assert refused(400, b'{"error":{"message":"a\\u0000\\ud83d"}}').detail == "a\ufffd\ufffd"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "3"}, 3.0),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT"}, 10.0),
        ({"retry-after": "Fri, 20 Nov 2020 10:00:30 GMT"}, 0.0),
        ({"retry-after": "Friday, 20-Nov-26 10:00:30 GMT"}, 10.0),
        ({"retry-after-ms": "nan", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "-5", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "inf", "retry-after": "1"}, 1.0),
        ({"retry-after": "1, 40"}, 40.0),
        ({"retry-after": "40, nan, -3, inf, soon, 99999999, 1"}, 40.0),
        ({"retry-after": "1, Fri, 20 Nov 2026 10:00:30 GMT"}, 10.0),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT", "date": "today"}, 10.0),
        ({"retry-after": ","}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "86400"}, 86_400.0),
        ({"retry-after": "99999999999999999999"}, None),
        ({"retry-after-ms": "99999999999999999999"}, None),
        ({"retry-after": "Fri, 20 Nov 2099 10:00:30 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None):
    assert retry_after(headers, clock=lambda: 1795168820.0) == seconds


def test_retry_after_reaches_the_error_whatever_the_case_of_its_name():
    assert http_error(429, {"Retry-After": "7"}, b"").retry_after_seconds == 7
    delay = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "28s"}]
    assert refused(429, {"error": {"message": "x", "details": delay}}).retry_after_seconds == 28


def test_a_provider_that_forbids_a_retry_is_heard():
    assert not refused(429, b"", x_should_retry="false").retryable
    assert refused(429, b"", x_should_retry="true").retryable


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (
            openai_error("Unsupported parameter: 'max_tokens'", "max_tokens", "unsupported_parameter"),
            "max_tokens",
        ),
        (
            openai_error("'temperature' does not support 0.2", "temperature", "unsupported_value"),
            "temperature",
        ),
        ({"error": {"message": "Unrecognized request argument supplied: stream_options"}}, "stream_options"),
        ({"detail": [{"msg": "Extra inputs are not permitted", "loc": ["body", "store"]}]}, "store"),
        (openai_error("Invalid 'temperature'", "temperature", "decimal_above_max_value"), ""),
        ({"error": {"message": "no"}}, ""),
    ],
)
def test_a_field_the_model_does_not_know_is_named(body: Any, field: str):
    assert refused(400, body).field == field
    assert refused(500, body).field == ""


def test_refused_fields_map_to_capabilities():
    assert capability_after_refusal("max_tokens") == "max_completion_tokens"
    assert capability_after_refusal("temperature") == "no_temperature"


@pytest.mark.parametrize(
    ("status", "message", "field"),
    [
        (400, "This model does not support image input.", "vision"),
        (404, "No endpoints found that support image input", "vision"),
        (404, "No endpoints found that support tool use.", "tools"),
        (400, "Invalid content type. image_url is not supported by this model", "vision"),
        (404, "tools are not supported with this model", "tools"),
        (400, "Could not process image", ""),
    ],
)
def test_what_a_model_cannot_do_is_named(status: int, message: str, field: str):
    assert refused(status, {"error": {"message": message}}).field == field


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (
            400,
            [openai_error("API key not valid. Please pass a valid API key.", "", "400")],
            "provider_auth",
            "API key not",
        ),
        (
            400,
            {"base_resp": {"status_code": 1004, "status_msg": "login fail"}},
            "provider_auth",
            "login fail",
        ),
        (429, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Slow"}, "provider_overloaded", "Slow"),
        (424, {"error": "Too many inputs", "error_type": "validation"}, "provider_rejected", "Too many"),
    ],
)
def test_bodies_of_one_provider_each(status: int, body: Any, code: str, message: str):
    error = refused(status, body)
    assert (error.code, error.detail.startswith(message)) == (code, True)


@pytest.mark.parametrize("head", ["", "event: error\n", ": hm\n\n"])
@pytest.mark.parametrize("end", ["\n\n", ""])
def test_a_refusal_that_comes_as_a_stream(head: str, end: str):
    body = f'{head}data: {{"error": {{"message": "slow down", "code": "rate_limit_exceeded"}}}}{end}'
    error = refused(429, body.encode())
    assert (error.upstream_code, error.detail) == ("rate_limit_exceeded", "slow down")


@pytest.mark.parametrize(
    ("location", "detail"),
    [
        ("https://who:secret@other.example:8443/v2/chat?key=secret#x", "https://other.example:8443/v2/chat"),
        ("/login?next=secret", "/login"),
        ("//who:secret@other.example/", "//other.example/"),
    ],
)
def test_a_redirect_says_where_it_leads_without_what_may_be_secret(location: str, detail: str):
    error = redirect_error(302, {"Location": location})
    assert isinstance(error, ProviderRejected)
    assert "base URL" in str(error)
    assert error.detail == f"HTTP 302 Found: it leads to {detail}"


@pytest.mark.parametrize("headers", [{}, {"location": "http://[::1"}])
def test_a_redirect_to_nowhere_is_told_by_its_status(headers: dict[str, str]):
    assert redirect_error(308, headers).detail == "HTTP 308 Permanent Redirect"
