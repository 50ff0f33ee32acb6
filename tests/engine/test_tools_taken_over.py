"""A run that somebody else takes over while its tools are under way."""

import asyncio
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from chat.models import Node, Run, ToolInvocation
from chat.models.base import new_id
from project.celery import app
from tests.engine.tool_plays import asks_for, plays

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]


@pytest.fixture(autouse=True)
def nothing_sent_before():
    app.control.purge()


def claim_elsewhere(run):
    lives = timezone.now() + timedelta(hours=1)
    node = Node.objects.create(pk=new_id(), kind=Node.Kind.WEB, host="elsewhere", pid=1, heartbeat_at=lives)
    assert Run.objects.claim(uuid.UUID(run), seen_epoch=1, node=node.pk)


async def test_whoever_has_lost_a_run_does_not_wait_for_its_tools(chat, upstream):
    plays(upstream, asks_for(("calculate", '{"expression": "6*7"}')))
    # No worker is there: the tool would be under way for as long as anybody waits.
    started = await chat.ask("Go")
    await chat.events(started.run, until="step.finished")
    await chat.runtime.database(claim_elsewhere, started.run)
    async with asyncio.timeout(10):
        while len(chat.runtime.supervisor):
            await asyncio.sleep(0.02)
    row = await chat.runtime.database(ToolInvocation.objects.get)
    assert row.status == "pending"
    assert len(upstream.requests) == 1
