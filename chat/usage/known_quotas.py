"""Which quotas there are and whom they bind, looked up once a second at most in each process."""

import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

from msgspec import Struct

from chat.models import Quota, User
from chat.models.quotas import MONEY, Kind
from chat.usage.quota_periods import PERIODICAL
from chat.usage.quotas import amount_of

REMEMBER_SECONDS: Final = 1.0
REMEMBER_MOST: Final = 1000


class Limit(Struct, frozen=True):
    """One figure of a quota, as it binds one person."""

    quota: UUID
    kind: Kind
    subject: UUID
    """As in `QuotaUse`."""
    amount: int
    """Tokens, billionths of `currency`, messages or runs."""
    currency: str
    enabled: bool
    """One that is not in force is counted all the same, so that it may be at any time."""
    user: UUID | None
    group: int | None
    """Whose members share the figure; None where it is one person's."""
    token: UUID | None = None
    """The API token whose figure it is, and not all its owner's."""

    @property
    def periodical(self) -> bool:
        return self.kind in PERIODICAL


class KnownQuotas:
    """Changes in the admin count from the next second on, in every process. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._quotas: tuple[float, list[Quota]] | None = None
        self._groups: dict[UUID, tuple[float, frozenset[int]]] = {}

    def any(self) -> bool:
        return bool(self._all())

    def surely_none(self) -> bool:
        """Without asking the database: False where that would be needed to know."""
        known = self._quotas
        return known is not None and not known[1] and self._clock() - known[0] < REMEMBER_SECONDS

    def binding(self, user: UUID | None, pseudonym: UUID, token: UUID | None = None) -> list[Limit]:
        """Each figure that is about this person, or the API token they use. `user` None: the account is gone."""
        return [
            limit
            for quota in self._all()
            if self._binds(quota, user, token)
            for kind in Kind
            if (limit := _limit(quota, kind, user, pseudonym)) is not None
        ]

    def forget(self) -> None:
        """They are not what they were."""
        self._quotas = None
        self._groups.clear()

    def _all(self) -> list[Quota]:
        now, known = self._clock(), self._quotas
        if known is not None and now - known[0] < REMEMBER_SECONDS:
            return known[1]
        quotas = list(Quota.objects.order_by("pk"))
        self._quotas = (now, quotas)
        return quotas

    def _binds(self, quota: Quota, user: UUID | None, token: UUID | None) -> bool:
        if quota.binds == Quota.Binds.EVERYBODY:
            return True
        if quota.binds == Quota.Binds.TOKEN:
            return token is not None and quota.token_id == token
        if user is None:
            return False
        if quota.binds == Quota.Binds.USER:
            return quota.user_id == user
        return quota.group_id in self._groups_of(user)

    def _groups_of(self, user: UUID) -> frozenset[int]:
        now = self._clock()
        known = self._groups.get(user)
        if known is not None and now - known[0] < REMEMBER_SECONDS:
            return known[1]
        rows = User.groups.through._default_manager.filter(user_id=user)
        groups = frozenset(rows.values_list("group_id", flat=True))
        if len(self._groups) >= REMEMBER_MOST:
            self._groups.clear()
        self._groups[user] = (now, groups)
        return groups


def _limit(quota: Quota, kind: Kind, user: UUID | None, pseudonym: UUID) -> Limit | None:
    amount = amount_of(quota, kind)
    if amount is None:
        return None
    shared = quota.binds == Quota.Binds.GROUP
    token = quota.token_id if quota.binds == Quota.Binds.TOKEN else None
    return Limit(
        quota=quota.pk,
        kind=kind,
        subject=quota.pk if shared else token or pseudonym,
        amount=amount,
        currency=quota.currency if kind in MONEY else "",
        enabled=quota.enabled,
        user=user,
        group=quota.group_id if shared else None,
        token=token,
    )


KNOWN: Final = KnownQuotas(time.monotonic)
"""This process's. The ledger's writer has nobody who could hand it one."""
