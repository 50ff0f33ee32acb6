"""What a run needs to be made, gathered before it starts: no database is asked on the way."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from chat.conf import CallLimits, Deadlines
from chat.engine.bill import Bill
from chat.engine.rules_in_force import NO_RULES, Rules
from chat.events.fold import RunState
from chat.llm.client import Endpoint
from chat.llm.messages import ModelRequest
from chat.usage.estimates import Ratios
from chat.usage.pricing import PriceList


class OfferedTool(Struct, frozen=True):
    """A tool as this run may call it; what the model is told of it stands in the request."""

    name: str
    kind: Literal["local", "webhook", "client"] = "local"
    queue: str = ""
    needs_approval: bool = False
    seconds: float = 30.0
    """For its work, or for the answer of whoever does it."""
    idempotent: bool = False
    retries: int = 0
    """After its worker died or it was unavailable; only of one that is idempotent."""
    webhook: UUID | None = None
    """Of the kind `webhook`: the row that says where it is called."""


class LoopLimits(Struct, frozen=True):
    """How far a run may go by itself; beyond that it ends as `limit_reached`, and may be continued."""

    steps: int = 8
    invocations: int = 16
    seconds: float = 600.0
    """Of work; what it waits for people and callbacks does not count."""
    at_once: int = 5
    user_at_once: int = 5
    """Of all that one person's answers have under way: the workers are everybody's."""
    approval_seconds: float = 86_400.0
    """After which nobody has agreed."""


class RunPlan(Struct, frozen=True):
    """`run` and `message` are UUID strings as they travel; `rescued` is what an earlier epoch had told."""

    run: str
    epoch: int
    message: str
    conversation: UUID
    user: UUID
    pseudonym: UUID
    provider: str
    provider_key: UUID
    model_key: UUID
    dialect: str
    endpoint: Endpoint
    api_key: str
    deadlines: Deadlines
    limits: CallLimits
    request: ModelRequest
    price: PriceList | None
    created_at: datetime
    token: UUID | None = None
    """The API token by which it was started."""
    stop_requested_at: datetime | None = None
    rescued: RunState | None = None
    ratios: Ratios = Ratios()
    """For tokens that have to be estimated."""
    earlier: Bill | None = None
    """What the model calls of earlier epochs have used."""
    tools: tuple[OfferedTool, ...] = ()
    loop: LoopLimits = LoopLimits()
    worked_seconds: float = 0.0
    """Until it was parked; what a process has worked that died is not counted."""
    rules: Rules = NO_RULES
    """Of moderation, for this user, as they were when it was planned."""
    following: "RunPlan | None" = None
    """How the next model is asked where this one does not answer."""

    @property
    def model_name(self) -> str:
        return f"{self.provider}/{self.request.model}"
