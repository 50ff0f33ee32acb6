"""Whoever stands in a line hears within a second that staff have changed the figures it stands there for."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final
from uuid import UUID

from chat.conf import CallLimits
from chat.engine.database import DatabaseThreads
from chat.engine.offers import limits_of
from chat.exceptions import StorageUnavailable
from chat.llm.safeguards import Safeguards
from chat.models import Provider

LOOK_SECONDS: Final = 1.0


class FigureWatch:
    """New calls bring the figures along; this is for those that wait while no new one comes. Costs nothing else."""

    def __init__(
        self,
        safeguards: Safeguards,
        database: DatabaseThreads,
        *,
        sleep: Callable[[float], Coroutine[Any, Any, object]],
    ) -> None:
        self._safeguards = safeguards
        self._database = database
        self._sleep = sleep

    async def run(self) -> None:
        while True:
            await self._sleep(LOOK_SECONDS)
            if self._safeguards.anybody_waits():
                await self._look()

    async def _look(self) -> None:
        providers = [UUID(provider) for provider in self._safeguards.known_providers()]
        try:
            found = await self._database(figures_of, providers)
        except StorageUnavailable:
            return  # the next look tells
        for provider, limits in found.items():
            self._safeguards.take_figures(str(provider), limits)


def figures_of(providers: Iterable[UUID]) -> dict[UUID, CallLimits]:
    return {provider.pk: limits_of(provider) for provider in Provider.objects.filter(pk__in=list(providers))}
