"""The standing cast: Alice owns, Bob holds a share link, Mallory is a stranger, Ada is staff."""

import pytest

from chat.models import User
from tests.factories import UserFactory


@pytest.fixture
def alice(db: None) -> User:
    return UserFactory.create(username="alice")


@pytest.fixture
def bob(db: None) -> User:
    return UserFactory.create(username="bob")


@pytest.fixture
def mallory(db: None) -> User:
    return UserFactory.create(username="mallory")


@pytest.fixture
def ada(db: None) -> User:
    return UserFactory.create(username="ada", is_staff=True, is_superuser=True)
