import os
from pathlib import Path

from project.logs import logging_config

DATA_DIR = Path(os.environ["TOY_DATA_DIR"])
DEBUG = False
SITE_NAME = "Toy"
SECRET_KEY = "toy"
USE_TZ = True
HTTPS = False
PUBLIC_URL = ""
REDIS_URL = os.environ.get("TOY_REDIS_URL", "")
DRAIN_SECONDS = 15.0
INSTALLED_APPS = ["django.contrib.staticfiles"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "db.sqlite3"}}
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS: list[Path] = []
ASGI_APPLICATION = "tests.project.toy.site.application"
SERVER_LIFECYCLE = "tests.project.toy.site"
CELERY_BROKER_URL = "memory://localhost/"
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
LOGGING = logging_config(level="INFO", form="text")
