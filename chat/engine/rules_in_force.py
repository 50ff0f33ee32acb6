"""The rules of moderation that hold now, for whom: read once a second at most, compiled once.

Where there are none that second's one query is all they cost.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import structlog
from django.db.models.signals import m2m_changed, post_delete, post_save
from msgspec import Struct

from chat.models import ModerationHit, ModerationRule, User
from chat.models.moderation import columns_of_rule
from chat.moderation.rules import BadRule, Rule, RuleSet, checked
from chat.moderation.stream_filter import Hit

logger = structlog.get_logger(__name__)

REMEMBER_SECONDS: Final = 1.0


class Rules(Struct, frozen=True):
    """Those of one person; None where nothing is looked for."""

    input: RuleSet | None = None
    output: RuleSet | None = None
    tool_results: RuleSet | None = None


NO_RULES: Final = Rules()


class _Held(Struct, frozen=True):
    rule: Rule
    input: bool
    output: bool
    tool_results: bool
    groups: frozenset[int]


class RulesInForce:
    """Changes in the admin count from the next second on, in every process. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._read_at = float("-inf")
        self._held: tuple[_Held, ...] = ()
        self._sets: dict[tuple[_Held, ...], Rules] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """The next one who asks reads them again."""
        self._read_at = float("-inf")

    def for_user(self, user: UUID) -> Rules:
        held = self._now()
        if not held:
            return NO_RULES
        if any(one.groups for one in held):
            theirs = frozenset(
                User.groups.through.objects.filter(user_id=user).values_list("group_id", flat=True)
            )
            held = tuple(one for one in held if not one.groups or one.groups & theirs)
        with self._lock:
            if held not in self._sets:
                if len(self._sets) > 100:
                    self._sets.clear()
                self._sets[held] = _sets_of(held)
            return self._sets[held]

    def _now(self) -> tuple[_Held, ...]:
        now = self._clock()
        if now - self._read_at >= REMEMBER_SECONDS:
            held = _read()
            with self._lock:
                if held != self._held:
                    self._held, self._sets = held, {}
                self._read_at = now
        return self._held


def _read() -> tuple[_Held, ...]:
    rows = ModerationRule.objects.filter(enabled=True).order_by("created_at", "pk").prefetch_related("groups")
    held = []
    for row in rows:
        rule = Rule(**columns_of_rule(row))
        try:
            checked(rule)
        except BadRule as error:
            # Refused when it was saved; this system may lack what it needs.
            logger.exception("moderation rule cannot be run", rule=row.name, reason=str(error))
            continue
        groups = frozenset(group.pk for group in row.groups.all())
        held.append(_Held(rule, row.on_input, row.on_output, row.on_tool_results, groups))
    return tuple(held)


def _sets_of(held: Sequence[_Held]) -> Rules:
    def those(rules: Iterable[Rule]) -> RuleSet | None:
        found = list(rules)
        return RuleSet(found) if found else None

    return Rules(
        input=those(one.rule for one in held if one.input),
        output=those(one.rule for one in held if one.output),
        tool_results=those(one.rule for one in held if one.tool_results),
    )


@lru_cache(maxsize=1)
def rules_in_force() -> RulesInForce:
    """This process's."""
    return RulesInForce(time.monotonic)


def _changed(**_: Any) -> None:
    rules_in_force().forget()


for _signal in (post_save, post_delete):
    _signal.connect(_changed, sender=ModerationRule, dispatch_uid="rules_in_force")
m2m_changed.connect(_changed, sender=ModerationRule.groups.through, dispatch_uid="rules_in_force")


def hit_row(hit: Hit, **columns: Any) -> ModerationHit:
    """What is kept of what a rule has found: by its name too, which stays when the rule goes."""
    return ModerationHit(
        rule_id=hit.rule.key,
        rule_name=hit.rule.name,
        action=hit.rule.action,
        position=hit.start,
        length=hit.length,
        **columns,
    )


def write_hits(rows: Collection[ModerationHit]) -> None:
    """Once, however often: their keys were made with them. The rule may have been deleted since."""
    if not rows:
        return
    there = set(
        ModerationRule.objects.filter(pk__in={row.rule_id for row in rows}).values_list("pk", flat=True)
    )
    for row in rows:
        if row.rule_id not in there:
            row.rule_id = None
    ModerationHit.objects.bulk_create(rows, ignore_conflicts=True)
