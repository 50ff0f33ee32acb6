"""Quotas: how much somebody may use, what of it is used, and what is set aside for calls under way.

Rows of `QuotaUse` and `Reservation` are written by `chat/usage/` alone.
"""

from datetime import date
from decimal import Decimal
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from chat.models.base import Row

ALWAYS: Final = date(1970, 1, 1)
"""When a figure that knows no period begins."""
MOST_A_MINUTE: Final = 1000
"""The times of so many messages are remembered, in one row."""
MOST_TOKENS: Final = 10**15
MOST_MONEY: Final = Decimal(10) ** 8
"""In billionths this is far within the 63 bits that a column has."""


class Kind(models.TextChoices):
    """A figure of a quota; also the name of its column."""

    MESSAGES = "messages_per_minute", _("messages a minute")
    RUNS = "runs_at_once", _("answers at once")
    TOKENS_DAY = "tokens_per_day", _("tokens a day")
    TOKENS_MONTH = "tokens_per_month", _("tokens a month")
    MONEY_DAY = "money_per_day", _("money a day")
    MONEY_MONTH = "money_per_month", _("money a month")


class Quota(Row):
    """Figures that are empty do not limit. Of several quotas that bind somebody all must hold."""

    class Binds(models.TextChoices):
        EVERYBODY = "everybody", _("Everybody, each for themselves")
        USER = "user", _("One person")
        MEMBERS = "members", _("Each member of a group")
        GROUP = "group", _("A group together")
        TOKEN = "token", _("One API token")

    name = models.CharField(_("name"), max_length=100, unique=True)
    binds = models.CharField(_("whom it binds"), max_length=16, choices=Binds, default=Binds.EVERYBODY)
    user = models.ForeignKey(
        "chat.User",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="quotas",
        verbose_name=_("person"),
    )
    group = models.ForeignKey(
        "auth.Group",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="quotas",
        verbose_name=_("group"),
    )
    token = models.ForeignKey(
        "chat.ApiToken",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="quotas",
        verbose_name=_("API token"),
    )
    enabled = models.BooleanField(_("in force"), default=True)

    messages_per_minute = models.PositiveIntegerField(
        _("messages a minute"), null=True, blank=True, validators=[MaxValueValidator(MOST_A_MINUTE)]
    )
    runs_at_once = models.PositiveIntegerField(_("answers at once"), null=True, blank=True)
    tokens_per_day = models.PositiveBigIntegerField(
        _("tokens a day"), null=True, blank=True, validators=[MaxValueValidator(MOST_TOKENS)]
    )
    tokens_per_month = models.PositiveBigIntegerField(
        _("tokens a month"), null=True, blank=True, validators=[MaxValueValidator(MOST_TOKENS)]
    )
    money_per_day = models.DecimalField(
        _("money a day"),
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(MOST_MONEY)],
    )
    money_per_month = models.DecimalField(
        _("money a month"),
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(MOST_MONEY)],
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.currency = self.currency.strip().upper()
        errors = {}
        if (self.binds == self.Binds.USER) != (self.user_id is not None):
            errors["user"] = _("Choose a person where the quota binds one person, and only there.")
        if (self.binds in (self.Binds.MEMBERS, self.Binds.GROUP)) != (self.group_id is not None):
            errors["group"] = _(
                "Choose a group where the quota binds a group or its members, and only there."
            )
        if (self.binds == self.Binds.TOKEN) != (self.token_id is not None):
            errors["token"] = _("Choose an API token where the quota binds one, and only there.")
        if any(getattr(self, kind) is not None for kind in MONEY) and len(self.currency) != 3:
            errors["currency"] = _("Money needs a currency: three letters, such as USD.")
        if all(getattr(self, kind) is None for kind in Kind):
            errors["messages_per_minute"] = _("Give at least one figure.")
        if errors:
            raise ValidationError(errors)


MONEY: Final = (Kind.MONEY_DAY, Kind.MONEY_MONTH)
TOKENS: Final = (Kind.TOKENS_DAY, Kind.TOKENS_MONTH)
DAYS: Final = (Kind.TOKENS_DAY, Kind.MONEY_DAY)


class QuotaUse(Row):
    """What one quota's figure has come to for one subject in one period. Tokens, or billionths of the currency.

    `used + assumed + reserved` does not pass the limit: whoever reserves adds by compare-and-set.
    """

    quota = models.ForeignKey(Quota, models.CASCADE, related_name="uses")
    subject = models.UUIDField()
    """The pseudonym of whom it is about; the quota's own key where many share one figure; the key of an API token."""
    kind = models.CharField(max_length=24, choices=Kind)
    starts = models.DateField()
    """The first day of the period, in the site's time zone."""
    currency = models.CharField(max_length=3, blank=True)

    used = models.BigIntegerField(default=0)
    """By the ledger's rows that have ended."""
    assumed = models.BigIntegerField(default=0)
    """Of calls of which nobody knows what they have used."""
    reserved = models.BigIntegerField(default=0)
    """For calls under way."""
    recent = models.JSONField(default=list)
    """When the messages of the last minute came, as seconds since 1970."""

    class Meta:
        verbose_name_plural = "quota uses"
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["quota", "subject", "kind", "starts", "currency"], name="one_use_a_quota_and_period"
            )
        ]
        indexes = [models.Index(fields=["starts"], name="use_by_period")]

    def __str__(self) -> str:
        return f"{self.kind}, {self.starts}"

    @property
    def taken(self) -> int:
        return self.used + self.assumed + self.reserved


class Reservation(Row):
    """What was set aside for one step of a run, before its model call. It stays until the run is gone.

    `run` is no foreign key: a run that is deleted must not take along what has to be given back.
    """

    class State(models.TextChoices):
        HELD = "held", _("set aside")
        SETTLED = "settled", _("settled")
        RELEASED = "released", _("given back")

    run = models.UUIDField()
    step = models.PositiveSmallIntegerField()
    epoch = models.PositiveIntegerField()
    input_tokens = models.PositiveIntegerField()
    """Estimated."""
    output_tokens = models.PositiveIntegerField()
    """As many as the model may write."""
    cost = models.DecimalField(max_digits=18, decimal_places=9, null=True)
    """The most that those may cost; None where no model that may be asked has a price."""
    currency = models.CharField(max_length=3, blank=True)
    holds = models.JSONField(default=list)
    """[[key of the `QuotaUse`, amount], …]."""
    state = models.CharField(max_length=16, choices=State, default=State.HELD)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["run", "step", "epoch"], name="one_reservation_a_step")
        ]
        indexes = [
            models.Index(fields=["run"], name="reservation_held", condition=models.Q(state="held")),
        ]

    def __str__(self) -> str:
        return f"step {self.step}, {self.state}"
