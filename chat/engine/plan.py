"""What a run needs to be made, gathered before it starts: no database is asked on the way."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from chat.conf import CallLimits, Deadlines
from chat.events.fold import RunState
from chat.llm.client import Endpoint
from chat.llm.messages import ModelRequest
from chat.usage.pricing import PriceList


class RunPlan(Struct, frozen=True):
    """`run` and `message` are UUID strings as they travel; `rescued` is what an earlier epoch had told."""

    run: str
    epoch: int
    message: str
    conversation: UUID
    user: UUID
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
    stop_requested_at: datetime | None = None
    rescued: RunState | None = None
    following: "RunPlan | None" = None
    """How the next model is asked where this one does not answer."""

    @property
    def model_name(self) -> str:
        return f"{self.provider}/{self.request.model}"
