"""Rows for tests, with sensible values where a test does not care."""

from decimal import Decimal
from typing import ClassVar

from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory, Password

from chat.attachments.contents import digest
from chat.models import (
    ApiToken,
    Attachment,
    Conversation,
    LanguageModel,
    Message,
    ModelCall,
    Node,
    Price,
    Provider,
    Run,
    ToolInvocation,
    User,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookTool,
    WireRecord,
)
from chat.models.base import new_id
from chat.models.tokens import TokenScope, digest_of
from chat.models.wire import packed
from chat.webhooks.payloads import EVENTS, RUN_FINISHED
from chat.webhooks.signing import new_secret

PASSWORD = "correct horse battery"


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = Sequence(lambda n: f"person{n}")
    email = LazyAttribute(lambda user: f"{user.username}@example.com")
    password = Password(PASSWORD)


class ApiTokenFactory(DjangoModelFactory[ApiToken]):
    """May do everything, and does not expire; `secret="lct_…"` is what is sent."""

    class Meta:
        model = ApiToken

    class Params:
        secret = Sequence(lambda n: f"lct_secret{n}")

    owner = SubFactory(UserFactory)
    prefix = LazyAttribute(lambda token: token.secret[:10])
    token_sha256 = LazyAttribute(lambda token: digest_of(token.secret))
    scopes = LazyFunction(lambda: list(TokenScope.values))


class ProviderFactory(DjangoModelFactory[Provider]):
    class Meta:
        model = Provider

    name = Sequence(lambda n: f"provider{n}")
    base_url = "http://127.0.0.1:9/v1"


class LanguageModelFactory(DjangoModelFactory[LanguageModel]):
    class Meta:
        model = LanguageModel

    provider = SubFactory(ProviderFactory)
    name = Sequence(lambda n: f"model{n}")


class PriceFactory(DjangoModelFactory[Price]):
    class Meta:
        model = Price

    model = SubFactory(LanguageModelFactory)
    input = Decimal(2)
    output = Decimal(8)


class ConversationFactory(DjangoModelFactory[Conversation]):
    class Meta:
        model = Conversation

    owner = SubFactory(UserFactory)


class MessageFactory(DjangoModelFactory[Message]):
    """A user's words; `text="…"` sets them."""

    class Meta:
        model = Message

    class Params:
        text = "Hello"

    conversation = SubFactory(ConversationFactory)
    role = Message.Role.USER
    parts = LazyAttribute(lambda message: [{"type": "text", "text": message.text}])


class RunFactory(DjangoModelFactory[Run]):
    """Queued, with an empty answer to write into."""

    class Meta:
        model = Run

    conversation = SubFactory(ConversationFactory)
    user = SelfAttribute("conversation.owner")
    message = SubFactory(
        MessageFactory,
        conversation=SelfAttribute("..conversation"),
        role=Message.Role.ASSISTANT,
        parts=[],
    )
    model = SubFactory(LanguageModelFactory)
    model_name = LazyAttribute(lambda run: run.model.full_name)
    start_key = LazyFunction(new_id)


class ToolInvocationFactory(DjangoModelFactory[ToolInvocation]):
    """Waits for approval, in a run that is parked."""

    class Meta:
        model = ToolInvocation

    run = SubFactory(RunFactory, status="waiting", epoch=1)
    user = SelfAttribute("run.user")
    conversation = SelfAttribute("run.conversation")
    step = 1
    position = Sequence(int)
    call_id = Sequence(lambda n: f"call_{n}")
    name = "calculate"
    kind = ToolInvocation.Kind.LOCAL
    arguments = '{"expression": "6*7"}'
    status = ToolInvocation.Status.WAITING
    waits_for = ToolInvocation.Waits.APPROVAL


class AttachmentFactory(DjangoModelFactory[Attachment]):
    """A file of the attempt whose result is recorded; its bytes are `content`, which is kept nowhere by itself."""

    class Meta:
        model = Attachment

    class Params:
        content = b"section,what,value\n"

    invocation = SubFactory(
        ToolInvocationFactory, status="succeeded", waits_for="", epoch=1, name="make_report"
    )
    user = SelfAttribute("invocation.user")
    epoch = SelfAttribute("invocation.epoch")
    name = "report.csv"
    media_type = "text/csv"
    size = LazyAttribute(lambda row: len(row.content))
    sha256 = LazyAttribute(lambda row: digest(row.content))


class ModelCallFactory(DjangoModelFactory[ModelCall]):
    class Meta:
        model = ModelCall

    run = SubFactory(RunFactory)
    user = SelfAttribute("run.user")
    pseudonym = SelfAttribute("user.pseudonym")
    conversation = SelfAttribute("run.conversation")
    provider = "demo"
    model = "demo"
    outcome = "completed"


class WireRecordFactory(DjangoModelFactory[WireRecord]):
    """`asked` and `answered` are the bodies, as bytes."""

    class Meta:
        model = WireRecord

    class Params:
        asked = b'{"model": "demo"}'
        answered = b"data: [DONE]\n\n"

    run = SubFactory(RunFactory)
    user = SelfAttribute("run.user")
    conversation = SelfAttribute("run.conversation")
    provider = "demo"
    model = "demo"
    dialect = "openai_chat"
    created_at = LazyFunction(timezone.now)
    kept_because = WireRecord.Reason.FAILED
    outcome = "provider_cut"
    url = "http://127.0.0.1:9/v1/chat/completions"
    http_status = 200
    response_headers: ClassVar = {"content-type": "text/event-stream"}
    request = LazyAttribute(lambda record: packed(record.asked))
    request_bytes = LazyAttribute(lambda record: len(record.asked))
    response = LazyAttribute(lambda record: packed(record.answered))
    response_bytes = LazyAttribute(lambda record: len(record.answered))
    size = LazyAttribute(lambda record: len(record.request) + len(record.response))


class NodeFactory(DjangoModelFactory[Node]):
    class Meta:
        model = Node

    kind = Node.Kind.WEB
    host = "here"
    pid = Sequence(lambda n: 1000 + n)


class WebhookEndpointFactory(DjangoModelFactory[WebhookEndpoint]):
    """Wants every event; `secret="whsec_…"` signs."""

    class Meta:
        model = WebhookEndpoint

    class Params:
        secret = LazyFunction(new_secret)

    owner = SubFactory(UserFactory)
    url = "http://127.0.0.1:9/hook"
    events = LazyFunction(lambda: sorted(EVENTS))
    secrets_encrypted = LazyAttribute(lambda endpoint: sealed(endpoint.secret))


class WebhookToolFactory(DjangoModelFactory[WebhookTool]):
    """`secret="whsec_…"` signs."""

    class Meta:
        model = WebhookTool

    class Params:
        secret = LazyFunction(new_secret)

    name = Sequence(lambda n: f"ship_{n}")
    description = "Sends a parcel."
    url = "http://127.0.0.1:9/tool"
    parameters = LazyFunction(
        lambda: {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
    )
    secrets_encrypted = LazyAttribute(lambda tool: sealed(tool.secret))


class WebhookDeliveryFactory(DjangoModelFactory[WebhookDelivery]):
    class Meta:
        model = WebhookDelivery

    endpoint = SubFactory(WebhookEndpointFactory)
    event = RUN_FINISHED
    payload = '{"event":"run.finished"}'


def sealed(secret: str) -> bytes:
    endpoint = WebhookEndpoint()
    endpoint.set_secret(secret)
    return bytes(endpoint.secrets_encrypted)
