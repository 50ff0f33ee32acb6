"""One attempt at a model call, under its deadlines.

Bytes become deltas here, and everything that can go wrong becomes one `ProviderError`.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from uuid import UUID

from msgspec import Struct, field
from uuid_utils.compat import uuid7

from chat.conf import Deadlines
from chat.exceptions import ProviderCut, ProviderError, ProviderTimeout
from chat.llm.client import Endpoint, ModelClient, UpstreamAnswer
from chat.llm.deltas import Delta, Failed, Finished, ReasoningDelta, RefusalDelta, TextDelta, ToolCallStarted
from chat.llm.dialects.base import Decoder, Dialect, WireRequest
from chat.llm.dialects.errors import redirect_error
from chat.llm.tape import Tape
from chat.resilience.deadline import CallTimer, Clockwork, Interrupted

Tell = Callable[[list[Delta]], None]
_SHOWN = (TextDelta, ReasoningDelta, RefusalDelta, ToolCallStarted)


class CallFacts(Struct):
    """What is known of a call besides its deltas; filled in while it runs. Times are the clock's seconds."""

    began_at: float | None = None
    """None: the call was never made."""
    connected_at: float | None = None
    first_token_at: float | None = None
    closed_at: float | None = None
    http_status: int | None = None
    request_id: str = ""
    queued_seconds: float = 0.0
    """How long it stood in lines before it was made."""
    call: UUID = field(default_factory=uuid7)
    """The key of its row in the ledger."""


class ModelCall:
    """One attempt, run once. Its task's cancellation closes the line upstream.

    `on_first_token` is called once, after the first delta that shows something was told. It must not block.
    """

    def __init__(
        self,
        *,
        client: ModelClient,
        clockwork: Clockwork,
        clock: Callable[[], float],
        dialect: Dialect,
        endpoint: Endpoint,
        deadlines: Deadlines,
        facts: CallFacts,
        on_first_token: Callable[[], None] | None = None,
        tape: Tape | None = None,
    ) -> None:
        self._client = client
        self._clockwork = clockwork
        self._clock = clock
        self._dialect = dialect
        self._endpoint = endpoint
        self._deadlines = deadlines
        self._on_first_token = on_first_token
        self._tape = tape
        self._decoder: Decoder | None = None
        self.facts = facts
        self.headers: Mapping[str, str] = {}
        """Of the answer, once there is one."""

    async def run(self, wire: WireRequest, tell: Tell) -> None:
        """Makes the call; `tell` gets the deltas of each piece that arrived, never an empty list, never `Failed`.

        `tell` must not block. Returns when the answer is whole.

        Raises:
            ProviderError: it is not.
        """
        with nullcontext() if self._tape is None else self._tape.recording(self._endpoint, wire):
            await self._under_deadlines(wire, tell)

    async def _under_deadlines(self, wire: WireRequest, tell: Tell) -> None:
        self.facts.began_at = self._clock()
        with self._clockwork.watch(self._deadlines) as timer:
            try:
                with timer.watching():
                    await self._attempt(timer, wire, tell)
            except Interrupted as interrupted:
                # A server that holds the line open after a whole answer has still answered.
                ending = (
                    self._decoder.close() if self._decoder is not None and not self._decoder.ended else []
                )
                if ending and isinstance(ending[-1], Finished):
                    tell(ending)
                elif self._decoder is None or not self._decoder.ended or ending:
                    raise ProviderTimeout(interrupted.reason) from None
            finally:
                self.facts.closed_at = self._clock()

    async def _attempt(self, timer: CallTimer, wire: WireRequest, tell: Tell) -> None:
        async with self._client.call(
            self._endpoint, wire, connect_seconds=self._deadlines.connect_seconds
        ) as answer:
            facts = self.facts
            facts.connected_at = self._clock()
            facts.http_status, facts.request_id = answer.status, answer.request_id
            self.headers = answer.headers
            tape = self._tape
            if tape is not None:
                tape.head(answer.status, answer.headers)
            if answer.status >= 300:
                raise await self._refusal(answer)
            decoder = self._decoder = self._dialect.decoder(content_type=answer.content_type)
            try:
                async for chunk in answer.chunks():
                    timer.touch()
                    if tape is not None:
                        tape.take(chunk)
                    if deltas := decoder.feed(chunk):
                        self._pass_on(deltas, timer, tell)
                    if decoder.ended:
                        timer.answered()
                    elif decoder.whole:
                        timer.told_all(again=bool(deltas))
            except ProviderCut as cut:
                ending = decoder.abort(cut.detail)
            else:
                ending = decoder.close()
            if ending:
                self._pass_on(ending, timer, tell)

    async def _refusal(self, answer: UpstreamAnswer) -> ProviderError:
        body = await answer.error_body()
        if self._tape is not None:
            self._tape.take(body)
        if answer.status < 400:
            return redirect_error(answer.status, answer.headers)
        return self._dialect.read_error(answer.status, answer.headers, body)

    def _pass_on(self, deltas: list[Delta], timer: CallTimer, tell: Tell) -> None:
        first = timer.waiting_for_first_token and any(isinstance(delta, _SHOWN) for delta in deltas)
        if first:
            timer.first_token()
            self.facts.first_token_at = self._clock()
        last = deltas[-1]
        if not isinstance(last, Failed):
            tell(deltas)
        elif len(deltas) > 1:
            tell(deltas[:-1])
        if first and self._on_first_token is not None:
            self._on_first_token()
        if isinstance(last, Failed):
            raise last.error
