"""The exchange with a webhook tool's server, as far as it differs from other webhooks."""

import time

from django.utils import timezone

from chat.webhooks.delivery import Post
from chat.webhooks.tool_post import ToolPost
from tests.factories import WebhookToolFactory
from tests.fakes.receiver import Receiver, hang
from tests.webhooks.conftest import LOOPBACK


def test_a_server_has_no_more_time_for_its_answer_than_for_its_result(rude: Receiver):
    rude.plays = [hang]
    post = ToolPost(Post(LOOPBACK, seconds=3), clock=time.monotonic, now=timezone.now)
    tool = WebhookToolFactory.build(url=rude.url, deadline_seconds=0.2)

    assert post(tool, "01a22e27", b"{}").error == "No answer within 0.2 seconds."
