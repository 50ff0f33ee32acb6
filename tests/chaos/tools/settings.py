"""The site's settings, and an app with tools that write down outside of it when and where they ran."""

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.tools.tooled"]
