"""The audit log: who has looked at what, who has changed what. Appended to by `chat/audit/chain.py` alone.

People stand in it by their pseudonyms, so that they can be deleted and the log stays whole. No names, no titles, no
content: what a look has shown is not written down, only what it was a look at.
"""

from typing import Any, NoReturn
from uuid import UUID

from django.db import models
from django.db.models import OuterRef, Subquery


class EntriesStay(TypeError):
    """Somebody's code has tried to change or to delete entries of the audit log."""

    def __init__(self) -> None:
        super().__init__("Entries of the audit log are appended; they are never changed or deleted.")


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    """Refuses whatever would change or delete a row. What goes around it, `verify_audit` finds."""

    def about(self, pseudonym: UUID) -> "AuditEntryQuerySet":
        """What concerns somebody, the newest first."""
        return self.filter(subject=pseudonym).order_by("-sequence")

    def with_names(self) -> "AuditEntryQuerySet":
        """With `actor_name` and `subject_name`, None where nobody has this pseudonym any more."""
        from chat.models.users import User

        def name(of: str) -> Subquery:
            return Subquery(User.objects.filter(pseudonym=OuterRef(of)).values("username")[:1])

        return self.annotate(actor_name=name("actor"), subject_name=name("subject"))

    def update(self, **_: Any) -> NoReturn:
        raise EntriesStay

    def bulk_update(self, *_: Any, **__: Any) -> NoReturn:
        raise EntriesStay

    def update_or_create(self, *_: Any, **__: Any) -> NoReturn:
        raise EntriesStay

    def delete(self) -> NoReturn:
        raise EntriesStay

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> "list[AuditEntry]":
        if kwargs.get("update_conflicts") or kwargs.get("ignore_conflicts"):
            raise EntriesStay
        return super().bulk_create(objs, *args, **kwargs)

    # What Django itself calls where a deletion reaches rows of many tables.
    def _raw_delete(self, using: str | None) -> NoReturn:
        raise EntriesStay


class AuditEntry(models.Model):
    """One fact. Its hash is over all other fields and the hash of the entry before (`chat/audit/canonical.py`)."""

    sequence = models.PositiveBigIntegerField(primary_key=True)
    """1, 2, 3 … without a gap."""
    at = models.DateTimeField(db_index=True)
    actor = models.UUIDField(null=True)
    """The pseudonym of who did it; null: the product itself, or somebody at the command line."""
    action = models.CharField(max_length=40)
    """Of `chat/audit/facts.py`."""
    kind = models.CharField(max_length=60)
    """What it was done to: `conversation`, `run`, `tool_invocation` and so on."""
    key = models.CharField(max_length=100)
    """Which one: its id; a person's is the pseudonym."""
    subject = models.UUIDField(null=True)
    """The pseudonym of whose it is; null: nobody's."""
    reason = models.CharField(max_length=300)
    details = models.JSONField(default=dict)
    """More of it, such as the query of a search. No floats: they have no one way to be written."""
    sha256 = models.CharField(max_length=64)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        default_permissions = ("view",)
        base_manager_name = "objects"
        indexes = [
            models.Index(fields=["action", "-sequence"], name="audit_by_action"),
            models.Index(fields=["actor", "-sequence"], name="audit_by_actor"),
            models.Index(fields=["subject", "-sequence"], name="audit_by_subject"),
            models.Index(fields=["kind", "key", "-sequence"], name="audit_by_object"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.action} {self.kind}"

    def save(self, *_: Any, **__: Any) -> NoReturn:
        """One is not saved by itself: `chat/audit/chain.py` appends."""
        raise EntriesStay

    def save_base(self, *_: Any, **__: Any) -> NoReturn:
        """As fixtures do it."""
        raise EntriesStay

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        raise EntriesStay


class AuditHead(models.Model):
    """Where the chain ends: one row, locked by who appends. Its seal needs a key that the database does not have."""

    THE_ONE = 1

    sequence = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    breaks = models.JSONField(default=list)
    """After which entries this row was found gone, or with a seal that does not fit. None is ever taken out."""
    seal = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()


class AuditCheckpoint(models.Model):
    """A head that was, or is to be, written out of the database's reach."""

    day = models.DateField(null=True, unique=True)
    """Which day (UTC) ended with it; null: written when somebody asked for it."""
    sequence = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True)
    made_at = models.DateTimeField()
    seal = models.CharField(max_length=64)
    filed_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
