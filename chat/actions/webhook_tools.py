"""What staff do with webhook tools: check one, give it a secret, have it called again."""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from chat.actions.webhooks import BOTH_SIGN, check_url
from chat.exceptions import InvalidRequest
from chat.models import ToolInvocation, WebhookTool
from chat.webhooks.signing import new_secret
from chat.wiring.sending import CALL_WEBHOOK_TOOL_AGAIN, send
from tools.conf import outbound_policy
from tools.discovery import installed
from tools.json_schema import problem_of_schema


def check_tool_name(name: str) -> None:
    """
    Raises:
        InvalidRequest: a tool of ours is called so.
    """
    if any(tool.name == name for tool in installed()):
        raise InvalidRequest("A tool that comes with the site is called so.", field="name")


def check_tool_url(url: str) -> None:
    """
    Raises:
        InvalidRequest: it can never be called, or what is sent there could be read on the way.
    """
    check_url(url, outbound_policy())


def check_parameters(schema: object) -> None:
    """
    Raises:
        InvalidRequest: no JSON schema of an object.
    """
    if problem := problem_of_schema(schema):
        raise InvalidRequest(problem, field="parameters")


def first_secret(tool: WebhookTool) -> str:
    """To be shown once. The caller saves the tool."""
    tool.set_secret(secret := new_secret())
    return secret


def rotate_tool_secret(tool: WebhookTool) -> str:
    """To be shown once. For a day the one before holds as well, in both directions."""
    with transaction.atomic():
        held = WebhookTool.objects.select_for_update().get(pk=tool.pk)
        held.rotate(secret := new_secret(), now=timezone.now(), keep=BOTH_SIGN)
        held.save(update_fields=["secrets_encrypted"])
    return secret


def call_again(invocations: Iterable[ToolInvocation]) -> int:
    """Those that wait for their callback, by a worker; how many."""
    keys = {invocation.pk for invocation in invocations}
    waiting = ToolInvocation.objects.called().filter(pk__in=keys, status=ToolInvocation.Status.WAITING)
    return sum(send(CALL_WEBHOOK_TOOL_AGAIN, str(key)) for key in waiting.values_list("pk", flat=True))
