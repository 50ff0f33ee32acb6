"""No secret of ours is kept, wherever it stands and however it is written."""

import base64
import html
import json
from urllib.parse import quote

import pytest

from chat.llm.client import Endpoint
from chat.llm.dialects.base import WireRequest
from chat.llm.redaction import (
    HIDDEN,
    Secrets,
    plain_headers,
    plain_request_body,
    plain_request_headers,
    plain_url,
    secrets_of,
)

KEY = 'sk-"canary"/ü+&/1234'
OTHER = "canary-of-a-header"
ENDPOINT = Endpoint("https://lab.example/v1", headers={"X-Gate": OTHER, "anthropic-beta": "files-1"})


def request(**headers: str) -> WireRequest:
    return WireRequest("/chat", {"Authorization": f"Bearer {KEY}", **headers}, b"{}")


def found(text: str) -> bool:
    return "canary" in text


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        json.dumps(KEY),
        json.dumps(KEY, ensure_ascii=False),
        json.dumps(KEY).replace("/", "\\/"),
        html.escape(KEY),
        quote(KEY),
        quote(KEY, safe=""),
    ],
)
def test_the_key_is_found_however_it_is_written(written: str):
    hidden = Secrets([KEY]).hide(f"before {written} after".encode()).decode()
    assert not found(hidden)
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")


def test_a_secret_that_begins_with_another_is_hidden_whole():
    assert Secrets(["secret-1", "secret-1-and-more"]).hide(b"secret-1-and-more") == HIDDEN.encode()


def test_what_is_too_short_for_a_secret_is_not_searched_for():
    assert Secrets(["none", ""]).hide(b"none of it") == b"none of it"


@pytest.mark.parametrize("kept", range(6, len(KEY)))
def test_a_key_that_the_end_cuts_is_cut_off(kept: int):
    data = b"provided: " + KEY.encode()[:kept]
    assert Secrets([KEY]).hide_cut(data) == b"provided: "


def test_what_only_resembles_a_key_stays():
    assert Secrets([KEY]).hide_cut(b"about sk-") == b"about sk-"


class TestHeaders:
    def test_the_dialects_keep_what_is_no_secret(self):
        sent = request(
            **{"x-api-key": KEY, "content-type": "application/json", "anthropic-version": "2023-06-01"}
        )
        assert plain_request_headers(ENDPOINT, sent, secrets_of(KEY, ENDPOINT)) == {
            "Authorization": HIDDEN,
            "x-api-key": HIDDEN,
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
            "X-Gate": HIDDEN,
            "anthropic-beta": "files-1",
        }

    def test_a_key_in_a_header_with_a_harmless_name_is_hidden(self):
        sent = request(**{"user-agent": f"lab/{KEY}"})
        assert not found(str(plain_request_headers(ENDPOINT, sent, secrets_of(KEY, ENDPOINT))))

    @pytest.mark.parametrize(
        "name",
        [
            "set-cookie",
            "Proxy-Authenticate",
            "x-auth-token",
            "X-Amz-Security-Token",
            "x-goog-api-key",
            "api_key",
        ],
    )
    def test_telling_names_are_hidden_whatever_they_say(self, name: str):
        assert plain_headers({name: "canary"}, Secrets([])) == {name: HIDDEN}

    @pytest.mark.parametrize(
        "name", ["x-ratelimit-remaining-tokens", "anthropic-ratelimit-input-tokens-reset", "content-type", "cf-ray"]
    )  # fmt: skip
    def test_limits_and_the_like_stay(self, name: str):
        assert plain_headers({name: "17"}, Secrets([])) == {name: "17"}

    def test_an_answer_that_repeats_a_secret_is_searched(self):
        headers = {"x-echo": f"you sent {OTHER}", "x-echo-key": KEY}
        assert not found(str(plain_headers(headers, secrets_of(KEY, ENDPOINT))))

    def test_they_are_bounded(self):
        headers = {f"x-{number}": "v" * 100_000 for number in range(1000)}
        assert len(str(plain_headers(headers, Secrets([])))) < 300_000


class TestAddress:
    def test_it_stays_readable(self):
        endpoint = Endpoint("https://lab.example:8443/v1")
        assert plain_url(endpoint, request(), Secrets([])) == "https://lab.example:8443/v1/chat"

    def test_user_password_and_parameters_are_hidden(self):
        endpoint = Endpoint(f"https://canary:canary-2@lab.example/v1?key={quote(KEY, safe='')}&api-version=7")
        url = plain_url(endpoint, WireRequest("", {}, b""), secrets_of("", endpoint))
        assert url == f"https://{HIDDEN}@lab.example/v1?key={HIDDEN}&api-version=7"

    def test_a_key_in_the_path_is_hidden(self):
        endpoint = Endpoint(f"https://lab.example/{quote(KEY, safe='')}/v1")
        assert not found(plain_url(endpoint, request(), secrets_of(KEY, endpoint)))

    def test_what_is_no_url_is_not_shown(self):
        assert plain_url(Endpoint("http://[canary"), request(), Secrets([])) == "(not a URL)"

    def test_its_secrets_are_searched_elsewhere(self):
        endpoint = Endpoint(
            "https://someone:canary%2F2@lab.example?sig=canary-3", proxy="http://me:canary-4@proxy"
        )
        secrets = secrets_of("", endpoint)
        basic = base64.b64encode(b"someone:canary/2").decode()
        said = secrets.hide(f"canary/2 canary-3 canary-4 {basic}".encode()).decode()
        assert said == " ".join([HIDDEN] * 4)


def test_the_values_of_the_providers_headers_are_searched_with_and_without_their_scheme():
    endpoint = Endpoint("https://lab.example", headers={"X-Gate": f"Bearer {OTHER}"})
    assert not found(secrets_of("", endpoint).hide(f"bad token {OTHER}".encode()).decode())


class TestBody:
    def test_a_key_in_it_is_hidden_and_it_stays_json(self):
        body = json.dumps({"metadata": {"key": KEY, "gate": OTHER}}).encode()
        kept = plain_request_body(body, secrets_of(KEY, ENDPOINT), most_bytes=10_000)
        assert json.loads(kept) == {"metadata": {"key": HIDDEN, "gate": HIDDEN}}

    def test_an_image_is_shortened_with_its_length_and_it_stays_json(self):
        image = base64.b64encode(bytes(range(256)) * 400).decode()
        body = json.dumps({"url": f"data:image/png;base64,{image}", "text": "look"}).encode()
        kept = json.loads(plain_request_body(body, Secrets([]), most_bytes=10_000))
        assert kept["text"] == "look"
        assert kept["url"] == f"data:image/png;base64,{image[:48]}[{len(image) - 48} more characters]"

    def test_each_of_many_is_and_nothing_between_them(self):
        body = json.dumps(["A" * 70_000, "text " * 20_000, "B" * 3000, "C" * 2047]).encode()
        kept = json.loads(plain_request_body(body, Secrets([]), most_bytes=1_000_000))
        shortened = [f"{'A' * 48}[69952 more characters]", f"{'B' * 48}[2952 more characters]"]
        assert kept == [shortened[0], "text " * 20_000, shortened[1], "C" * 2047]

    def test_text_is_not(self):
        body = json.dumps({"text": "long words and short ones " * 10_000}).encode()
        assert plain_request_body(body, Secrets([]), most_bytes=1_000_000) == body

    def test_it_is_bounded(self):
        assert len(plain_request_body(b"word " * 1000, Secrets([]), most_bytes=100)) == 100

    def test_runs_that_are_almost_long_enough_stay(self):
        body = (b"x" * 2047 + b" ") * 500
        assert plain_request_body(body, Secrets([]), most_bytes=2_000_000) == body
