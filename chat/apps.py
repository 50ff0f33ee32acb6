from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chat import checks  # noqa: F401  (registers the system checks)
        from chat.engine.sqlite import wait_in_turns

        connection_created.connect(wait_in_turns)

        # A migration may take its time, whatever limits the sessions of the site have.
        pre_migrate.connect(_lift_time_limits, sender=self)
        post_migrate.connect(_set_time_limits, sender=self)


def _lift_time_limits(using: str, **_: Any) -> None:
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute("SET statement_timeout = 0; SET lock_timeout = 0")


def _set_time_limits(using: str, **_: Any) -> None:
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute("RESET statement_timeout; RESET lock_timeout")
