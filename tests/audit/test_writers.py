"""Many who append at once, and one who is killed: the chain is whole."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from chat.audit.verify import verify
from chat.models import AuditEntry, AuditHead
from chat.wiring.audit import record, seals
from tests.audit.chains import look

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]
WRITERS, EACH = 20, 10


def test_twenty_who_append_at_once_leave_no_gap():
    begin = threading.Barrier(WRITERS)
    trouble: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            begin.wait()
            for number in range(EACH):
                record(look(key=f"{writer}-{number}"), durable=True)
        except BaseException as error:  # noqa: BLE001
            trouble.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=[writer]) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert trouble == []
    assert list(AuditEntry.objects.order_by("pk").values_list("pk", flat=True)) == list(
        range(1, WRITERS * EACH + 1)
    )
    assert AuditEntry.objects.values("key").distinct().count() == WRITERS * EACH
    assert verify(seals(), []).faults == []


LOOKER = """
import os, sys, django
django.setup()
from chat.audit.facts import Fact
from chat.wiring.audit import record
from django.db import transaction
fact = Fact(action="look", kind="run", key="1", reason="ticket")
if sys.argv[1] == "within":
    with transaction.atomic():
        record(fact)
        print("written", flush=True)
        sys.stdin.read()
record(fact, durable=True)
print("written", flush=True)
sys.stdin.read()  # here the view would look
"""


@pytest.fixture
def looker(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for process in made:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("when", "entries"), [("after", 2), ("within", 1)])
def test_one_who_is_killed_between_the_entry_and_the_look_leaves_a_whole_chain(
    looker: list[subprocess.Popen[bytes]], when: str, entries: int
):
    record(look())
    name = str(connection.settings_dict["NAME"])
    url = f"sqlite:///{name}"
    if connection.vendor == "postgresql":
        url = settings.DATABASE_URL.rsplit("/", 1)[0] + f"/{name}"
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "project.settings"}
    environment["SECRET_KEY"] = settings.SECRET_KEY
    process = subprocess.Popen(
        [sys.executable, "-c", LOOKER, when], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    looker.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()

    record(look())
    assert AuditEntry.objects.count() == entries + 1
    assert AuditHead.objects.get().breaks == []
    assert verify(seals(), []).faults == []
