"""`python -m tests.project.toy --port N`: the real `serve` command on the toy site."""

import os
import sys

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.project.toy.settings"
django.setup()

from project.servers import base  # noqa: E402

# Before the servers read it: the product is more patient.
base.SEND_TIMEOUT_SECONDS = 1.0
base.HEAD_SECONDS = base.BODY_SECONDS = 1.0

from chat.management.commands.serve import Command  # noqa: E402

Command().run_from_argv(["manage.py", "serve", *sys.argv[1:]])
