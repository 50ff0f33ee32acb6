"""For load balancers: is the process alive, and does everything configured answer?"""

import asyncio
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.db import connection, connections

from chat import wiring
from project import queues
from project.asking import Question

PATIENCE_SECONDS: Final = 1.5
"""For each part, all asked at once: a load balancer gives up after two or three seconds."""
FRESH_SECONDS: Final = 0.5
"""Anybody may ask, as often as they like."""


class Readiness:
    """Asks what the settings name. Each part is asked by one thread at a time, however many ask us."""

    def __init__(
        self, *, patience_seconds: float = PATIENCE_SECONDS, fresh_seconds: float = FRESH_SECONDS
    ) -> None:
        self._patience_seconds = patience_seconds
        self._fresh_seconds = fresh_seconds
        self._questions: dict[tuple[str, str], Question[bool]] = {}

    async def look(self) -> tuple[int, dict[str, object]]:
        """The HTTP status, and what to say."""
        runtime = wiring.running()
        if runtime is not None and runtime.supervisor.draining:
            return 503, {"status": "draining"}
        questions = self._configured()
        answers = await asyncio.gather(*(question.answer() for question in questions.values()))
        parts = {part: bool(answer) for part, answer in zip(questions, answers, strict=True)}
        ready = all(parts.values())
        return 200 if ready else 503, {"status": "ok" if ready else "unavailable", **parts}

    def _configured(self) -> dict[str, Question[bool]]:
        parts = {"database": self._question("database", "", _database_answers)}
        if url := settings.REDIS_URL:
            parts["redis"] = self._question("redis", url, lambda: _redis_answers(url))
        if not settings.CELERY_BROKER_URL.startswith("memory:"):
            parts["broker"] = self._question("broker", settings.CELERY_BROKER_URL, queues.answers)
        return parts

    def _question(self, part: str, where: str, ask: Callable[[], bool]) -> Question[bool]:
        key = (part, where)
        if key not in self._questions:
            self._questions[key] = Question(
                part, ask, patience_seconds=self._patience_seconds, fresh_seconds=self._fresh_seconds
            )
        return self._questions[key]


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connections.close_all()
    return True


def _redis_answers(url: str) -> bool:
    # Only where it is configured: importing it takes a tenth of a second.
    from chat.resilience.backends.redis import answers

    if not answers(url):
        raise ConnectionError("no answer")
    return True
