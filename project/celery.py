"""The Celery application. Settings come from Django's, in the `CELERY_` namespace."""

import os
from typing import Any

from celery import Celery, signals
from kombu.transport import TRANSPORT_ALIASES
from kombu.utils.objects import cached_property

from project import task_lines

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# kombu's own memory transport asks once a second whether something came; ours is woken.
TRANSPORT_ALIASES["memory"] = "project.transport:Transport"


class Application(Celery):
    """`celery worker` and `celery beat` run our own programs, which are imported only there."""

    amqp_cls = "project.reconnecting:Amqp"

    @cached_property
    def Worker(self) -> Any:  # noqa: N802  (Celery's name)
        return self.subclass_with_self("project.worker.program:Worker")  # type: ignore[arg-type]  # or its name

    @cached_property
    def Beat(self) -> Any:  # noqa: N802
        return self.subclass_with_self("project.worker.clock:Beat")  # type: ignore[arg-type]


@signals.setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Django has set it up. Where somebody listens, Celery adds no handlers and leaves the root logger alone."""
    from billiard import util

    # What the prefork pool says of its children.
    util.get_logger().propagate = True


task_lines.connect()
app = Application("project")
# Else other threads than this one would know an application of Celery's own, with no broker and no tasks.
app.set_default()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
