"""`celery -A project beat`: sends what is due (project/schedule.py). It remembers in DATA_DIR when it has last done so."""

from typing import Any

from celery.apps import beat

from project.worker.program import refuse_broker_in_memory


class Beat(beat.Beat):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        refuse_broker_in_memory(self.app.conf.broker_url)
        self.quiet = True
