"""Settings are read with their type; a bad value stops the start with one line."""

import pytest

from project import env


@pytest.mark.parametrize(("value", "read"), [("0", 0.0), ("1", 1.0), ("0.25", 0.25), ("", 0.01)])
def test_a_share_is_read(monkeypatch: pytest.MonkeyPatch, value: str, read: float):
    monkeypatch.setenv("SAMPLE", value)
    assert env.share("SAMPLE", 0.01) == read


@pytest.mark.parametrize("value", ["1.1", "-0.1", "nan", "some", "5%"])
def test_a_share_outside_of_0_to_1_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("SAMPLE", value)
    with pytest.raises(SystemExit, match=r"Bad setting SAMPLE=.*: expected a number from 0 to 1"):
        env.share("SAMPLE", 0.01)
