"""What a page says of how an answer came about: who gave it, without what, in which attempts, and what to do next."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from tests.factories import ConversationFactory, LanguageModelFactory, ModelCallFactory, RunFactory

pytestmark = pytest.mark.django_db

CHANGE = {"kind": "other_model", "model": "q/small", "instead_of": "p/large", "reason": "provider_overloaded"}
DROPPED = {"kind": "option_dropped", "model": "q/small", "option": "temperature"}


def step(*notes):
    return [{"step": 1, "finished": True, "parts": 1, "notes": list(notes)}]


def answer(owner, **more):
    """A run and its message, on the path that is shown."""
    model = more.pop("message__model", "q/small")
    parts = more.pop("parts", [{"type": "text", "text": "Here."}])
    fields = {"status": "completed", "finished_at": timezone.now(), **more}
    conversation = ConversationFactory.create(owner=owner)
    return RunFactory.create(conversation=conversation, message__model=model, message__parts=parts, **fields)


def page(client, user, run, path=""):
    client.force_login(user)
    answered = client.get(f"/c/{run.conversation_id}/{path}")
    assert answered.status_code == 200
    return unescape(answered.content.decode())


def column(html):
    return html[html.index('id="column"') : html.index("<dialog")]


def test_who_answered_instead_is_told_above_the_answer_and_without_what_below_it(client, alice):
    run = answer(alice, steps=step(CHANGE, DROPPED))
    html = column(page(client, alice, run))
    places = [
        html.index("large did not answer (overloaded): small answered."),
        html.index("Here."),
        html.index("This model does not take a temperature; answered without it."),
    ]
    assert places == sorted(places)
    assert 'data-model="q/small"' in html


def test_while_it_runs_the_page_names_who_is_asked_now(client, alice):
    run = answer(alice, steps=step(CHANGE), status="running", finished_at=None, message__model="p/large")
    html = column(page(client, alice, run))
    assert 'data-model="q/small"' in html
    assert "small was asked." in html


def test_the_next_question_goes_to_the_model_that_was_chosen(client, alice):
    for name in ("p/large", "q/small"):
        provider, model = name.split("/")
        LanguageModelFactory.create(provider__name=provider, name=model)
    run = answer(alice, steps=step(CHANGE))
    assert '"model": "p/large"' in page(client, alice, run)


def test_a_name_that_two_providers_offer_is_told_with_its_provider(client, alice):
    for name in ("p/large", "q/small", "r/small"):
        provider, model = name.split("/")
        LanguageModelFactory.create(provider__name=provider, name=model)
    html = page(client, alice, answer(alice))
    assert "q/small said" in column(html)
    assert "<span>q/small</span>" in column(html)
    assert re.search(r'id="model-picker"[^>]*><span>q/small</span>', html)
    other = page(client, alice, answer(alice, message__model="p/large"))
    assert "large said" in column(other)
    assert "p/large said" not in column(other)


def test_an_answer_of_which_nothing_is_noted_has_no_line_beside_it(client, alice):
    html = column(page(client, alice, answer(alice, steps=[{"step": 1, "finished": True, "parts": 1}])))
    assert 'class="aside"' not in html


def test_a_thought_without_words_is_not_on_the_page(client, alice):
    sealed = {"type": "reasoning", "text": "", "opaque": {"signature": "c2VjcmV0"}}
    html = column(page(client, alice, answer(alice, parts=[sealed, {"type": "text", "text": "Here."}])))
    assert "<details" not in html
    assert "c2VjcmV0" not in html


def failed(owner, code, message="It failed.", seconds=None, ago=0, **facts):
    error = {"code": code, "message": message, "retryable": True, **facts}
    finished_at = timezone.now() - timedelta(seconds=ago)
    return answer(
        owner, status="failed", finished_at=finished_at, error=error | {"retry_after_seconds": seconds}
    )


def test_a_retry_says_how_much_later_it_is_better_pressed(client, alice):
    html = column(page(client, alice, failed(alice, "provider_overloaded", seconds=30, ago=10)))
    assert re.search(
        r'Retry <span class="wait num" data-seconds="(19\.\d|20\.0)">in 20 s</span></button>', html
    )


def test_a_retry_that_may_be_pressed_now_says_nothing_of_time(client, alice):
    html = column(page(client, alice, failed(alice, "provider_overloaded", seconds=30, ago=31)))
    assert 'class="wait' not in html


def test_staff_are_led_to_the_providers_and_others_to_staff(client, alice, ada):
    message = "The provider refused our key. An administrator has to look at it."
    theirs = column(page(client, ada, failed(ada, "provider_auth", message)))
    assert "Look at its key in the provider's settings." in theirs
    assert re.search(r'<a [^>]*href="/admin/chat/provider/" data-for-staff="providers">', theirs)
    assert re.search(r'data-for-staff="limits" hidden>', theirs)
    hers = column(page(client, alice, failed(alice, "provider_auth", message)))
    assert "An administrator has to look at it." in hers
    assert "/admin/" not in hers


def test_staff_are_not_led_there_by_what_no_setting_mends(client, ada):
    html = column(page(client, ada, failed(ada, "provider_overloaded")))
    assert len(re.findall(r'data-for-staff="\w+" hidden>', html)) == html.count("data-for-staff") == 2


def test_staff_are_led_to_the_limits_where_a_provider_is_switched_off_there(client, alice, ada):
    def switched_off(owner):
        message = "The provider is switched off for now."
        return failed(owner, "provider_overloaded", message, phase="switched_off")

    theirs = column(page(client, ada, switched_off(ada)))
    assert "small is switched off for now." in theirs
    assert re.search(r'<a [^>]*href="/admin/chat/provider/limits/" data-for-staff="limits">', theirs)
    assert re.search(r'data-for-staff="providers" hidden>', theirs)
    assert "/admin/" not in column(page(client, alice, switched_off(alice)))


def test_only_what_has_begun_offers_to_go_on(client, alice):
    begun = column(page(client, alice, answer(alice, status="stopped")))
    assert 'data-action="continue"' in begun
    empty = column(page(client, alice, answer(alice, status="stopped", parts=[])))
    assert "Stopped." in empty
    assert 'data-action="continue"' not in empty


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def test_the_attempts_are_told_in_their_order_with_times_and_tokens(client, alice):
    run = answer(alice)
    began = timezone.now()
    ModelCallFactory.create(
        run=run, provider="q", model="small", attempt=2, started_at=began + timedelta(seconds=3), http_status=200,
        queue_ms=0, connect_ms=210, ttft_ms=610, duration_ms=9300, input_tokens=4871, output_tokens=612,
        usage_source="reported",
    )  # fmt: skip
    ModelCallFactory.create(
        run=run, provider="p", model="large", started_at=began, outcome="provider_overloaded", http_status=429,
        queue_ms=1500, connect_ms=90, duration_ms=95,
    )  # fmt: skip
    ModelCallFactory.create(run=run, purpose="title", attempt=9, model="titler")
    told = words(page(client, alice, run, f"attempts/{run.message_id}/"))
    assert told == (
        "2 attempts p/large overloaded (429) queue 1.5 s connect 0.09 s total 0.10 s tokens unknown "
        "q/small answered connect 0.21 s first token 0.61 s total 9.3 s 4,871 in 612 out reported"
    )


def test_an_answer_that_was_never_asked_for_had_no_attempts(client, alice):
    run = failed(alice, "rate_limited")
    assert words(page(client, alice, run, f"attempts/{run.message_id}/")) == "No attempt was made"


def test_somebody_elses_attempts_are_not_found(client, alice, mallory):
    run = answer(alice)
    client.force_login(mallory)
    assert client.get(f"/c/{run.conversation_id}/attempts/{run.message_id}/").status_code == 404
