"""What every test stands on. The cast is in tests/cast.py."""

import pytest
from django.conf import settings

from tools.overrides import in_force

pytest_plugins = [
    "tests.attachments.folder",
    "tests.cast",
    "tests.columns",
    "tests.live",
    "tests.office",
    "tests.services",
]

# Pages name their files as they are: nothing has been collected and fingerprinted here.
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# Argon2 is slow on purpose.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# WhiteNoise warns where nothing was ever collected, and warnings are errors.
settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def tools_as_they_are_set() -> None:
    """What staff have set for tools is remembered for a second: each test has a database of its own."""
    in_force.forget()


@pytest.fixture(autouse=True)
def quotas_as_they_are_set() -> None:
    from chat.usage.known_quotas import KNOWN  # models: not before Django is set up

    KNOWN.forget()


@pytest.fixture(autouse=True)
def rules_as_they_are_set() -> None:
    """Those of moderation likewise."""
    from chat.engine.rules_in_force import rules_in_force

    rules_in_force().forget()
