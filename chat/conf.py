"""Figures that collaborators are built with, grouped by who uses them. `wiring` fills them from the settings."""

from typing import Final

from msgspec import Struct

DEMO_URL: Final = "demo:"
"""A provider with this base URL is the scripted upstream inside the process."""


class Deadlines(Struct, frozen=True):
    """Seconds one model call may take: to be answered at all, to show something, between bytes, in all."""

    connect_seconds: float = 5.0
    first_token_seconds: float = 30.0
    idle_seconds: float = 20.0
    total_seconds: float = 600.0


class CallLimits(Struct, frozen=True):
    """What stands around the calls to one provider (docs/resilience.md)."""

    attempts: int = 3
    retry_base_seconds: float = 0.5
    retry_cap_seconds: float = 20.0
    longest_retry_after_seconds: float = 60.0
    """A provider that wants to be left alone for longer is not asked again."""
    retry_share: float = 0.1
    """Of the last minute's calls, so many may be retries."""
    retries_always: int = 10
    """And so many a minute whatever the calls."""
    breaker_failures: int = 5
    breaker_open_seconds: float = 30.0
    breaker_probes: int = 1
    breaker_successes: int = 3
    calls_per_user: int = 20
    calls_at_once: int = 500
    calls_per_second: float = 100.0
    calls_burst: int = 200
    wait_seconds: float = 30.0
    """The longest wait in a line."""
    limited: bool = True
    """False: no places, buckets, adaptive limit or breaker. The scripted provider of this process."""


class Coalescing(Struct, frozen=True):
    """How deltas are gathered once the event loop lags."""

    window_ms: int = 30
    characters: int = 100


class LogLimits(Struct, frozen=True):
    """What the memory event log keeps of a run, and for how long after its end."""

    keep_seconds: float = 600.0
    run_bytes: int = 4_000_000
    all_ended_bytes: int = 48_000_000
    """What all ended runs may hold together; the ones that ended first go first."""


class StreamLimits(Struct, frozen=True):
    """How the events of many processes go through Redis. What one run may hold there is what `LogLimits` lets it."""

    flush_seconds: float = 0.03
    """Between two batches of a writer under load; an idle one writes at once."""
    keep_seconds: int = 86_400
    """After the end of a run."""
    earlier_entries: int = 10_000
    """What a run that is taken over keeps of its earlier epochs."""
    copy_bytes: int = 4_000_000
    """What a copy of another process's run may hold."""
    all_copies_bytes: int = 64_000_000
    ahead_seconds: float = 1.0
    """A reader may have seen, at its maker's, what has not come here yet; so long it is waited for."""
    unclaimed_seconds: float = 0.1
    """A run whose stream is not there yet is waited for so long."""
    quiet_seconds: float = 3.0
    """A run of which nothing was heard for so long is looked up in the database."""


Bounds = tuple[float, float]
"""Where good ends and where bad begins; the first is the greater one where more is better."""


class Bands(Struct, frozen=True):
    """What of an answer its user feels as good, slow or bad."""

    first_token_seconds: Bounds = (0.5, 1.0)
    tokens_per_second: Bounds = (50.0, 20.0)
    short_answer_seconds: Bounds = (10.0, 30.0)
    """From the question to the end, of answers that are short."""
    short_answer_tokens: int = 500
    stop_seconds: Bounds = (0.1, 0.5)


class SocketLimits(Struct, frozen=True):
    """What one WebSocket may do, and how much it may owe us."""

    sockets_per_user: int = 30
    commands_per_minute: int = 100
    frames_per_minute: int = 3000
    frame_bytes: int = 65_536
    credit_events: int = 256
    credit_bytes: int = 256_000
    ack_seconds: float = 15.0
    silence_seconds: float = 60.0
    heartbeat_seconds: float = 20.0


class FileLimits(Struct, frozen=True):
    """What one invocation of a tool may hand in."""

    file_bytes: int = 20_000_000
    files: int = 20
    all_bytes: int = 50_000_000
