"""Upstream accounts, the models they offer, and what those cost."""

import os
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cryptography.fernet import InvalidToken
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone

from chat.exceptions import ModelNotAvailable, ProviderAuth
from chat.models.base import Row
from chat.models.sealing import fernet
from tools.models.groups import close_to_everybody

if TYPE_CHECKING:
    from chat.models.users import User


AT_LEAST_ONE = MinValueValidator(1)
NOT_NEGATIVE = MinValueValidator(0.0)
ABOVE_ZERO = MinValueValidator(0.001)


class Provider(Row):
    """An upstream account. The key is named (`key_env`) or pasted and then kept encrypted; it is never shown again."""

    name = models.SlugField(max_length=60, unique=True)
    dialect = models.CharField(max_length=40, default="openai_chat")
    base_url = models.CharField(max_length=500)
    """Ends before `/chat/completions`. `demo:` means the scripted upstream inside this process."""
    key_env = models.CharField(max_length=120, blank=True)
    key_encrypted = models.BinaryField(blank=True, default=b"", editable=False)
    headers = models.JSONField(default=dict, blank=True)
    """Extra request headers, name to value."""
    proxy = models.CharField(max_length=500, blank=True)
    """`http://[user:password@]host:port`. Those of the environment are not used."""
    enabled = models.BooleanField(default=True)
    connect_seconds = models.FloatField(null=True, blank=True)
    first_token_seconds = models.FloatField(null=True, blank=True)
    first_token_reasoning_seconds = models.FloatField(null=True, blank=True)
    idle_seconds = models.FloatField(null=True, blank=True)
    total_seconds = models.FloatField(null=True, blank=True)
    # Null means the default of chat.conf.CallLimits, which names and explains them.
    attempts = models.PositiveSmallIntegerField(null=True, blank=True, validators=[AT_LEAST_ONE])
    retry_base_seconds = models.FloatField(null=True, blank=True, validators=[NOT_NEGATIVE])
    retry_cap_seconds = models.FloatField(null=True, blank=True, validators=[NOT_NEGATIVE])
    longest_retry_after_seconds = models.FloatField(null=True, blank=True, validators=[NOT_NEGATIVE])
    retry_share = models.FloatField(null=True, blank=True, validators=[NOT_NEGATIVE])
    retries_always = models.PositiveSmallIntegerField(null=True, blank=True)
    breaker_failures = models.PositiveSmallIntegerField(null=True, blank=True, validators=[AT_LEAST_ONE])
    breaker_open_seconds = models.FloatField(null=True, blank=True, validators=[ABOVE_ZERO])
    breaker_probes = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[AT_LEAST_ONE, MaxValueValidator(3)]
    )
    breaker_successes = models.PositiveSmallIntegerField(null=True, blank=True, validators=[AT_LEAST_ONE])
    calls_per_user = models.PositiveIntegerField(null=True, blank=True, validators=[AT_LEAST_ONE])
    calls_at_once = models.PositiveIntegerField(null=True, blank=True, validators=[AT_LEAST_ONE])
    calls_per_second = models.FloatField(null=True, blank=True, validators=[ABOVE_ZERO])
    calls_burst = models.PositiveIntegerField(null=True, blank=True, validators=[AT_LEAST_ONE])
    wait_seconds = models.FloatField(null=True, blank=True, validators=[NOT_NEGATIVE])
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name

    def set_key(self, key: str) -> None:
        self.key_encrypted = fernet("provider-key").encrypt(key.encode()) if key else b""

    def read_key(self) -> str:
        """The API key; "" where the provider needs none.

        Raises:
            ProviderAuth: a key is configured but cannot be read.
        """
        if self.key_env:
            key = os.environ.get(self.key_env, "").strip()
            if not key:
                raise ProviderAuth(
                    "The provider's key is not set.",
                    detail=f"The environment variable {self.key_env} is not set.",
                )
            return key
        if not self.key_encrypted:
            return ""
        try:
            return fernet("provider-key").decrypt(bytes(self.key_encrypted)).decode().strip()
        except InvalidToken:
            raise ProviderAuth(
                detail="The stored key does not fit the secret key any more; paste it again."
            ) from None


class LanguageModelQuerySet(models.QuerySet["LanguageModel"]):
    def available_to(self, user: "User") -> "LanguageModelQuerySet":
        """Switched on, and for everybody or for a group of this user's."""
        kept = LanguageModel.groups.through.objects.filter(languagemodel=models.OuterRef("pk"))
        theirs = kept.filter(group__in=user.groups.values("pk"))
        return self.filter(
            ~models.Exists(kept) | models.Exists(theirs), enabled=True, provider__enabled=True
        ).select_related("provider")

    def named(self, name: str) -> "LanguageModel":
        """By `provider/model`, or by a bare name that only one provider has. Names may contain `/`.

        Raises:
            ModelNotAvailable: there is none, or more than one.
        """
        if "\0" in name:  # PostgreSQL does not even take the question
            raise ModelNotAvailable(field="models")
        provider, slash, rest = name.partition("/")
        if slash and (found := self.filter(provider__name=provider, name=rest).first()):
            return found
        bare = list(self.filter(name=name)[:2])
        if len(bare) == 1:
            return bare[0]
        raise ModelNotAvailable(field="models")


class LanguageModel(Row):
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="models")
    name = models.CharField(max_length=140)
    enabled = models.BooleanField(default=True)
    context_window = models.PositiveIntegerField(null=True, blank=True)
    """Tokens; null where unknown."""
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True)
    next_model = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="+")
    """Asked instead where this one does not answer, before anything was shown."""
    capabilities = models.JSONField(default=list, blank=True)
    """What is known of it, such as `vision`, `tools`, `reasoning`, `no_stream_options`."""
    groups = models.ManyToManyField(Group, blank=True, related_name="+")
    """Whose members may use it; none: everybody."""
    # What it reports for each token that the rule estimates, where it has reported enough: chat/usage/calibration.py.
    input_ratio = models.DecimalField(max_digits=5, decimal_places=3, null=True, editable=False)
    input_ratio_calls = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    output_ratio = models.DecimalField(max_digits=5, decimal_places=3, null=True, editable=False)
    output_ratio_calls = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = LanguageModelQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "name"], name="one_model_of_a_name")]

    def __str__(self) -> str:
        return self.full_name

    @property
    def full_name(self) -> str:
        return f"{self.provider.name}/{self.name}"

    def price_at(self, when: datetime | None = None) -> "Price | None":
        return self.prices.filter(valid_from__lte=when or timezone.now()).order_by("-valid_from").first()


@receiver(pre_delete, sender=Group)
def _group_goes(instance: Group, **_: Any) -> None:
    close_to_everybody(LanguageModel.objects.all(), instance)


class Price(Row):
    """What a model costs from a moment on, per million tokens. Null means: as plain input or output."""

    model = models.ForeignKey(LanguageModel, models.CASCADE, related_name="prices")
    valid_from = models.DateTimeField(db_default=Now())
    currency = models.CharField(max_length=3, default="USD")
    input = models.DecimalField(max_digits=12, decimal_places=6)
    output = models.DecimalField(max_digits=12, decimal_places=6)
    cached_input = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    cache_write = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    reasoning = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    from_list = models.BooleanField(default=False, db_default=False, editable=False)
    """The vendor's list price: `load_prices` follows it where that changes. What staff have set is theirs."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "valid_from"], name="one_price_at_a_time")]

    def __str__(self) -> str:
        return f"{plain(self.input)} / {plain(self.output)} {self.currency}"


def plain(amount: Decimal) -> str:
    """Without zeros that say nothing, and never as 1E+1."""
    return f"{amount.normalize():f}"
