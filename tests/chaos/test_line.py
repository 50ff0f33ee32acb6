"""A line that does not end costs no more than a line may have. The long version, of a gigabyte: make chaos"""

from collections.abc import Iterator

import pytest

from tests.chaos.line import KINDS, kept, line_server, read_line

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with line_server(64_000_000) as url:
        yield url


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_of_64_mb_is_one_typed_error_and_little_memory(base_url, kind):
    facts = read_line(base_url, kind)
    assert kept(facts), facts
    assert facts["attempts"] == 3
