"""The Celery application. Settings come from Django's, in the `CELERY_` namespace."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

from project import task_lines

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# kombu's own memory transport asks once a second whether something came; ours is woken.
TRANSPORT_ALIASES["memory"] = "project.transport:Transport"

task_lines.connect()
app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
