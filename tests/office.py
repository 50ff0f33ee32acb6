"""An office that only takes notes of what would be told to other processes and tabs."""

import uuid

import pytest

from chat import wiring


class Notes:
    """An office at the edge of the process."""

    node = uuid.uuid4()

    def __init__(self):
        self.notices = []
        self.woken_runs = []
        self.changed = []
        self.told = []
        self.stopped = []

    def launch(self, plan):
        raise AssertionError("nothing is started here")

    def stop_run(self, run, asked_at):
        self.stopped.append(run)

    def woken(self, run):
        self.woken_runs.append(run)

    def tool_changed(self, run):
        self.changed.append(run)

    def announce(self, user, name, fields):
        self.notices.append((user, name, fields))

    def tell_invocations(self, keys):
        self.told.append(list(keys))


@pytest.fixture
def office(monkeypatch):
    notes = Notes()
    monkeypatch.setattr(wiring, "runtime", lambda: notes)
    return notes
