"""What belongs to Alice, with a word in it that nobody else may ever see."""

from collections.abc import Iterator
from typing import Any

from django.db import models
from msgspec import Struct

from chat.models import User
from tests.factories import (
    ApiTokenFactory,
    AttachmentFactory,
    ConversationFactory,
    LanguageModelFactory,
    MessageFactory,
    ModelCallFactory,
    RunFactory,
    ToolInvocationFactory,
    WebhookDeliveryFactory,
    WebhookEndpointFactory,
    WireRecordFactory,
)

CANARY = "c4n4ry"
SAID = f"the {CANARY} sings"


class World(Struct):
    owner: User
    model: str
    """Everybody may use it."""
    rows: dict[str, models.Model]

    def key(self, name: str) -> str:
        return str(self.rows[name].pk)

    def told(self, answer: str, *, asked: str) -> Iterator[str]:
        """What of hers an answer tells. An id that stood in the question is no news."""
        if CANARY in answer:
            yield CANARY
        for name, row in self.rows.items():
            if str(row.pk) in answer and str(row.pk) not in asked:
                yield f"the id of her {name}"

    def state(self) -> dict[str, Any]:
        """All columns of all of it, to see whether somebody has changed some."""
        return {
            name: type(row)._default_manager.filter(pk=row.pk).values().first()
            for name, row in self.rows.items()
        }


def world_of(owner: User) -> World:
    conversation = ConversationFactory.create(owner=owner, title=SAID, options={"system": SAID})
    question = MessageFactory.create(conversation=conversation, text=SAID)
    answer = MessageFactory.create(
        conversation=conversation, parent=question, role="assistant", parts=[{"type": "text", "text": SAID}]
    )
    model = LanguageModelFactory.create()
    run = RunFactory.create(
        conversation=conversation,
        message=answer,
        model=model,
        options={"system": SAID},
        status="waiting",
        epoch=1,
    )
    invocation = ToolInvocationFactory.create(run=run, arguments=f'{{"expression": "{SAID}"}}', note=SAID)
    attachment = AttachmentFactory.create(
        invocation=ToolInvocationFactory.create(
            run=run, status="succeeded", waits_for="", epoch=1, result=SAID, shown=SAID
        ),
        name=f"{CANARY}.csv",
    )
    endpoint = WebhookEndpointFactory.create(
        owner=owner, url=f"https://{CANARY}.example/hook", description=SAID
    )
    return World(
        owner=owner,
        model=model.full_name,
        rows={
            "conversation": conversation,
            "question": question,
            "answer": answer,
            "run": run,
            "invocation": invocation,
            "attachment": attachment,
            "endpoint": endpoint,
            "delivery": WebhookDeliveryFactory.create(endpoint=endpoint, payload=SAID, last_response=SAID),
            "call": ModelCallFactory.create(run=run),
            "record": WireRecordFactory.create(run=run, asked=SAID.encode(), answered=SAID.encode()),
            "token": ApiTokenFactory.create(owner=owner, name=SAID, scopes=[], secret=f"lct_{CANARY}"),
        },
    )
