"""What a page shows of an answer's tools before any script has run."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from chat.models import Run, ToolInvocation
from tests.factories import ModelCallFactory, ToolInvocationFactory
from tests.pages.test_how_it_went import answer, column, page, words

pytestmark = pytest.mark.django_db


def asking(owner, **more):
    """An answer that waits for a decision about one call."""
    run = answer(owner, status="waiting", finished_at=None)
    call = ToolInvocationFactory.create(run=run, name="send_message", **more)
    run.message.parts = [
        {"type": "text", "text": "Shall I?"},
        {
            "type": "tool_call",
            "invocation": str(call.pk),
            "name": "send_message",
            "arguments": {"to": "<bob>", "copies": 2, "urgent": True, "body": "Dear\nBob"},
        },
    ]
    run.message.save()
    return run


def test_what_waits_for_a_person_is_open_with_its_arguments_to_be_edited(client, alice):
    html = page(client, alice, asking(alice))
    card = column(html)[column(html).index('<details class="tool"') :]
    assert re.search(r'data-status="waiting" data-for="approval".* aria-label="send_message" open>', card)
    assert '<input class="input" value="<bob>">' in card
    assert '<input class="input" value="2" inputmode="decimal">' in card
    assert '<input class="check" type="checkbox" checked>' in card
    assert "Dear\nBob</textarea>" in card
    assert 'data-kind="waiting" role="img" aria-label="Waits for your decision"' in html


def test_a_markup_in_an_argument_stays_text(client, alice):
    client.force_login(alice)
    answered = client.get(f"/c/{asking(alice).conversation_id}/").content.decode()
    assert "<bob>" not in answered
    assert "&lt;bob&gt;" in answered


def test_what_waits_for_another_system_asks_nobody(client, alice):
    html = page(
        client,
        alice,
        asking(alice, waits_for=ToolInvocation.Waits.CALLBACK, note="Shot 3 of 8", fraction=0.4),
    )
    card = column(html)[column(html).index('<details class="tool"') :]
    assert "<form" not in card[: card.index("</article>")]
    assert "Shot 3 of 8" in card
    assert '<progress class="progress" value="0.4"' in card
    assert 'data-kind="running"' in html


def test_the_details_tell_each_steps_calls_with_their_tools_and_what_they_cost(client, alice):
    run = answer(alice)
    began = timezone.now()
    for step in (1, 2):
        ModelCallFactory.create(
            run=run, provider="q", model="small", step=step, started_at=began, duration_ms=900,
            input_tokens=10 * step, output_tokens=step, usage_source="reported", cost=Decimal("0.002"), currency="USD",
        )  # fmt: skip
    ToolInvocationFactory.create(
        run=run, status="failed", waits_for="", attempts=3, started_at=began,
        finished_at=began + timedelta(seconds=2),
    )  # fmt: skip
    assert words(page(client, alice, run, f"attempts/{run.message_id}/")) == (
        "2 steps, 2 attempts "
        "Step 1 q/small answered total 0.90 s 10 in 1 out $0.002 reported "
        "calculate failed took 2.0 s 3 tries "
        "Step 2 q/small answered total 0.90 s 20 in 2 out $0.002 reported"
    )


def reported(owner, result: object, **more):
    """An answer with one call that has ended; `files` are what the part says of it."""
    run = answer(owner)
    call = ToolInvocationFactory.create(run=run, name="make_report", status="succeeded", waits_for="")
    run.message.parts = [
        {"type": "tool_call", "invocation": str(call.pk), "name": "make_report", "arguments": {}},
        {"type": "tool_result", "invocation": str(call.pk), "status": "succeeded", "result": result, **more},
    ]
    run.message.save()
    return run


def test_the_files_of_a_call_are_links_below_its_card_that_say_what_they_are(client, alice):
    key = "0191f3a0-0000-7000-8000-0000000000f1"
    file = {"attachment": key, "name": "报告 <1>.csv", "media_type": "text/csv", "size": 3977}
    client.force_login(alice)
    run = reported(alice, "{}", files=[file])
    html = client.get(f"/c/{run.conversation_id}/").content.decode()
    files = html[html.index('<ul class="files"') :]
    assert files.startswith('<ul class="files" role="list" aria-label="Files of make_report"><li>')
    assert f'href="/api/v1/attachments/{key}" download="报告 &lt;1&gt;.csv"' in files
    assert 'aria-label="Download 报告 &lt;1&gt;.csv, 4 kB"' in files


def test_a_result_that_speaks_of_files_makes_no_links(client, alice):
    key = "0191f3a0-0000-7000-8000-0000000000f1"
    html = page(
        client,
        alice,
        reported(alice, {"files": [{"file": key, "name": "a.csv", "bytes": 1, "attachment": key}]}),
    )
    assert '<ul class="files"' not in column(html)


@pytest.mark.parametrize("status", ["failed", "timed_out", "unknown", "succeeded", "rejected", "cancelled"])
def test_a_call_that_failed_offers_another_answer_once_its_own_has_ended(client, alice, status):
    ended = reported(alice, "It broke.")
    ended.message.parts[1]["status"] = status
    ended.message.save()
    offers = status in ("failed", "timed_out", "unknown")
    assert offered(client, alice, ended) is offers
    Run.objects.update(status="running", finished_at=None)
    assert not offered(client, alice, ended)


def offered(client, alice, run) -> bool:
    html = column(page(client, alice, run))
    (button,) = re.findall(r'<button class="button button--quiet tool-again"[^>]*>', html)
    assert 'data-action="retry" aria-label="Try again: ask for another answer"' in button
    return not button.endswith(" hidden>")
