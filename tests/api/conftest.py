"""What the tests of REST share. The office is in tests/office.py."""

import pytest

from tests.factories import ConversationFactory, RunFactory


@pytest.fixture
def run(alice):
    """Parked: it waits for what its tools bring."""
    return RunFactory.create(conversation=ConversationFactory.create(owner=alice), status="waiting", epoch=1)


@pytest.fixture
def signed_in(client, alice):
    client.force_login(alice)
    return client
