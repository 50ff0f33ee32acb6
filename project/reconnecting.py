"""Connections to the broker that are back soon after it is."""

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection


class PatientConnection(Connection):
    """Tries for ever, at least every two seconds. By default the pauses grow to half a minute."""

    def _ensure_connection(self, *args: Any, **options: Any) -> Any:
        for name, seconds in {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}.items():
            options.setdefault(name, seconds)
        return super()._ensure_connection(*args, **options)


class Amqp(AMQP):
    Connection = PatientConnection
