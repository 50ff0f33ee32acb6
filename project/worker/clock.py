"""`celery -A project beat`: sends what is due (project/schedule.py), and remembers in DATA_DIR when it last did."""

from typing import Any

import structlog
from celery.apps import beat
from django.conf import settings

from project.worker.program import refuse_broker_in_memory

log = structlog.get_logger(__name__)


class Beat(beat.Beat):
    def __init__(self, *args: Any, **options: Any) -> None:
        refuse_broker_in_memory()
        super().__init__(*args, **options)
        self.quiet = True

    def setup_logging(self, colorize: bool | None = None) -> None:
        super().setup_logging(colorize)
        log.info("clock starts", entries=sorted(settings.CELERY_BEAT_SCHEDULE))
