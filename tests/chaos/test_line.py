"""A line that does not end costs no more than a line may have. The long version, of a gigabyte: make chaos"""

from collections.abc import Iterator

import pytest

from tests.chaos.line import KINDS, kept, line_server, read_line

pytestmark = pytest.mark.server

MOST_MB = 45
"""18 in quiet, and 33 where the allocator copies the buffer while it grows, as it does once in twenty times; all of the
line would be 64 and more."""


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with line_server(64_000_000) as url:
        yield url


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_of_64_mb_is_one_typed_error_and_little_memory(base_url, kind):
    facts = read_line(base_url, kind)
    assert kept(facts, MOST_MB), facts
    assert facts["attempts"] == 3
