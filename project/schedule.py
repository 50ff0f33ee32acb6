"""What runs when, and in which queue."""

from typing import Any, Final

from kombu import Queue

TOOLS: Final = "tools"
WEBHOOKS: Final = "webhooks"
MAINTENANCE: Final = "maintenance"

QUEUES: Final = [Queue(TOOLS), Queue(WEBHOOKS), Queue(MAINTENANCE)]
ROUTES: Final = {"tools.*": {"queue": TOOLS}, "webhooks.*": {"queue": WEBHOOKS}}
"""By the task's name, `@shared_task(name="tools.call")`; all others are maintenance."""


def every(seconds: float, task: str) -> dict[str, Any]:
    """An entry. One that no worker took before the next is due is dropped: they do not pile up.

    There may be more than one clock, and one may start anew at any time, so a task must stand being run early, twice,
    or once too seldom.
    """
    return {"task": task, "schedule": float(seconds), "options": {"expires": float(seconds)}}


SCHEDULE: Final = {
    "prune": every(3600, "chat.tasks.prune"),
    # One a day; what was missed, or not taken, is caught up with.
    "audit_heads": every(3600, "chat.tasks.write_audit_heads"),
    "estimates": every(600, "chat.tasks.calibrate_estimates"),
    # What is tried again, and what a hint did not reach.
    "webhooks": every(5, "webhooks.deliver"),
}
