"""A service manager hears that the process lives."""

import socket

import pytest

from chat.engine.watchdog import watchdog


@pytest.mark.parametrize("address", ["{folder}/notify", "@lectern-test-{name}"])
def test_each_sign_of_life_is_told(tmp_path, address):
    address = address.format(folder=tmp_path, name=tmp_path.name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if address.startswith("@") else address)
        manager.settimeout(5)
        say = watchdog({"NOTIFY_SOCKET": address})
        say()
        say()
        assert [manager.recv(100), manager.recv(100)] == [b"READY=1\nWATCHDOG=1"] * 2


def test_where_nobody_listens_nothing_happens(tmp_path):
    watchdog({})()
    watchdog({"NOTIFY_SOCKET": str(tmp_path / "gone")})()
