"""The site's settings, and an app that counts what a process holds when it is asked to."""

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.callbacks.insider.apps.Insider"]
