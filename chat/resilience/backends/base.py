"""The contract of a backend: what processes must agree on. tests/resilience runs one suite over all backends.

Every method is one indivisible step, whatever else asks at the same time, and knows its own clock. Keys are the
caller's words (`provider:7`, `host:example.org`); breakers, buckets and places do not share a namespace.
"""

from collections.abc import Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

State = Literal["closed", "open", "half_open", "forced_open", "forced_closed"]
Forced = Literal["forced_open", "forced_closed"]
Outcome = Literal["success", "failure", "neutral"]
"""`neutral` says nothing of the other side: a call that was stopped, a refusal that was our fault."""

MOST_PROBES: Final = 3
PROBE_AGAIN_SECONDS: Final = 1.0
"""What a caller is told to wait when all probes are out: how long they take is not known."""

LEARN_AGAIN_SECONDS: Final = 60.0
"""A learned limit lets a call through so long after the last one, however empty its bucket is: what was learned may
have been nonsense, and only an answer tells anew. As long as the longest `Retry-After` that is honoured."""

MOST_KEPT: Final = 10_000
"""Breakers that are kept. Beyond it the oldest that nobody has forced are forgotten: they start as new."""
MOST_LISTED: Final = 1000


class BackendUnavailable(Exception):
    """The backend cannot be reached. Limits are not worth an outage: see `FallbackBackend`."""


class BreakerRule(Struct, frozen=True):
    """Failures in a row that open it, how long it stays open, probes at a time, successes that close it."""

    failures: int = 5
    open_seconds: float = 30.0
    probes: int = 1
    successes: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.probes <= MOST_PROBES:
            raise ValueError(f"between 1 and {MOST_PROBES} probes at a time, not {self.probes}")
        if self.failures < 1 or self.successes < 1 or self.open_seconds <= 0:
            raise ValueError("a breaker needs failures, successes and open_seconds above zero")


class Admission(Struct, frozen=True):
    """The answer to one caller. `generation` changes with every change of state: later outcomes do not count."""

    granted: bool
    state: State
    generation: int
    probe: bool = False
    retry_after_seconds: float | None = None


class BreakerView(Struct, frozen=True):
    """A breaker as staff see it. `open_seconds` is what is left until probes are let through."""

    state: State = "closed"
    failures: int = 0
    successes: int = 0
    probes: int = 0
    open_seconds: float = 0.0


class Bucket(Struct, frozen=True):
    """What a call wants from one token bucket. `per_second` None: no limit but the one that is learned.

    `amount` beyond what the bucket can ever hold is taken as a full bucket.
    """

    key: str
    per_second: float | None = None
    burst: float = 0.0
    amount: float = 1.0

    def __post_init__(self) -> None:
        if self.per_second is not None and (self.per_second <= 0 or self.burst <= 0):
            raise ValueError("a bucket needs per_second and burst above zero")


class Learned(Struct, frozen=True):
    """A limit as the provider tells it. `remaining` None: not told."""

    key: str
    capacity: float
    per_second: float
    remaining: float | None = None

    def __post_init__(self) -> None:
        if self.capacity <= 0 or self.per_second <= 0:
            raise ValueError("a learned limit needs capacity and per_second above zero")


class BucketView(Struct, frozen=True):
    """A bucket as staff see it. None: no limit is known. `held_off_seconds` is what is left of a pause.

    `learned`: what the provider tells is part of the limit, or all of it.
    """

    tokens: float | None = None
    capacity: float | None = None
    per_second: float | None = None
    held_off_seconds: float = 0.0
    learned: bool = False

    @property
    def full_in_seconds(self) -> float | None:
        """Until all of it is back, if nobody takes anything."""
        if self.tokens is None or self.capacity is None or self.per_second is None:
            return None
        return max(0.0, self.capacity - self.tokens) / self.per_second


class Backend(Protocol):
    """Any method may raise `BackendUnavailable` where the backend is another machine."""

    @property
    def shared(self) -> bool:
        """True where holders outlive their process and so must be renewed (`LeaseKeeper`)."""

    @property
    def alone(self) -> bool:
        """True while this process counts for itself."""

    # --- circuit breakers -----------------------------------------------------------------------------

    async def breaker_admit(
        self, key: str, rule: BreakerRule, *, holder: str, lease_seconds: float
    ) -> Admission:
        """Lets a call through or not. A granted probe holds a place under `probe_key(key)` until recorded."""

    async def breaker_record(
        self, key: str, rule: BreakerRule, outcome: Outcome, *, generation: int, holder: str
    ) -> State:
        """How the call ended, and the state after it. Gives the probe's place back. Old generations do not count."""

    async def breaker_force(self, key: str, state: Forced | None) -> None:
        """None: closed, and counting again."""

    async def breakers(self) -> dict[str, BreakerView]:
        """The ones that are not as new, at most `MOST_LISTED`: first what staff have forced, then the latest."""

    # --- token buckets --------------------------------------------------------------------------------

    async def take(self, buckets: Sequence[Bucket]) -> float:
        """Takes from all of them and returns 0.0, or from none and returns the seconds until it would work.

        A limit that is learned keeps nobody out for longer than `LEARN_AGAIN_SECONDS` after a call that it let
        through; one that is given does.
        """

    async def learn(self, limits: Sequence[Learned]) -> None:
        """The stricter of the learned and the given limit holds from now on."""

    async def hold_off(self, key: str, seconds: float) -> None:
        """Nothing is taken from this bucket for so long; an earlier, longer pause stays."""

    async def levels(self, buckets: Sequence[Bucket]) -> list[BucketView]:
        """How full each is now, in their order; `amount` does not matter."""

    # --- places ---------------------------------------------------------------------------------------

    async def acquire(self, key: str, most: int, *, holder: str, lease_seconds: float) -> bool:
        """One of `most` places, for a holder who has none yet."""

    async def renew(self, held: Sequence[tuple[str, str]], *, lease_seconds: float) -> None:
        """(key, holder) pairs that are still in use. A place that was lost is taken again, even beyond the limit:
        the call is running."""

    async def release(self, key: str, holder: str) -> None:
        """Gives the place back; nothing happens where it is gone already."""

    async def in_use(self, key: str) -> int:
        """How many places are taken now."""

    async def busiest(self, prefix: str, most: int) -> list[tuple[str, int]]:
        """At most so many keys of that beginning with the places taken of them, the most first, then by name."""


def probe_key(breaker: str) -> str:
    """The places a breaker's probes are counted under."""
    return f"probe:{breaker}"
