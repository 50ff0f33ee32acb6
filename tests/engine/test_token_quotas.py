"""Runs that an API token has started, under a quota of its own."""

import asyncio
import uuid

import pytest

from chat.actions.runs import StartRequest, start_runs
from chat.exceptions import QuotaExceeded
from chat.models import ModelCall, Quota, QuotaUse, Run
from chat.usage.known_quotas import KNOWN
from tests.factories import ApiTokenFactory

pytestmark = pytest.mark.django_db(transaction=True)

MOST = 4


@pytest.fixture
async def token(chat):
    """One that has a quota."""

    def make():
        token = ApiTokenFactory.create(owner=chat.user)
        Quota.objects.create(name="nightly", binds="token", token=token, tokens_per_day=10**9)
        KNOWN.forget()
        return token

    return await chat.runtime.database(make)


def ask(chat, token):
    request = StartRequest(
        key=uuid.uuid4(), models=(chat.model.full_name,), content=[{"type": "text", "text": "hello"}]
    )
    return chat.runtime.database(start_runs, chat.user, request, chat.runtime, token)


async def test_what_an_answer_has_used_is_in_the_ledger_and_in_the_quota_by_its_token(chat, token):
    await chat.events((await ask(chat, token)).run)
    await chat.events((await chat.ask()).run)

    def found():
        calls = list(ModelCall.objects.order_by("pk").values_list("token", "input_tokens", "output_tokens"))
        return calls, QuotaUse.objects.values_list("subject", "used", "reserved").get()

    calls, use = await chat.runtime.database(found)
    assert [call[0] for call in calls] == [token.pk, None]
    assert use == (token.pk, calls[0][1] + calls[0][2], 0)


async def test_of_a_race_just_as_many_run_as_the_token_may(chat, token):
    async def play(answer):
        await answer.say("Hello")
        await answer.wait_for_hang_up()

    def reserved():
        return QuotaUse.objects.get().reserved

    chat.upstream.play = play
    first = await ask(chat, token)
    each = await chat.runtime.database(reserved)
    await chat.runtime.database(lambda: Quota.objects.update(tokens_per_day=MOST * each))
    KNOWN.forget()
    replies = await asyncio.gather(*(ask(chat, token) for _ in range(20)), return_exceptions=True)
    refused = [reply for reply in replies if isinstance(reply, BaseException)]
    assert {type(error) for error in refused} == {QuotaExceeded}
    assert all("This API token's limit" in str(error) for error in refused)
    started = [first, *(reply for reply in replies if not isinstance(reply, BaseException))]
    assert len(started) == MOST
    assert await chat.runtime.database(Run.objects.filter(token=token).count) == MOST
    for one in started:
        await chat.stop(one)
        await chat.events(one.run)
    assert await chat.runtime.database(reserved) == 0
