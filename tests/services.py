"""Servers that some tests need beside them, found or started: Redis."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from project.stack.binaries import NO_REDIS
from project.stack.binaries import redis_binaries as redis_binaries
from project.stack.binaries import redis_binary as redis_binary  # for tests that start one of their own
from project.stack.ports import is_free

LANE = int(os.environ.get("TEST_LANE", "0"))
"""Of `make test`: whoever kills a server to start it again finds its port taken if others look for one meanwhile."""
PORTS = range(8170 + 20 * LANE, 8190 + 20 * LANE)
MORTAL_PORTS = range(8240 + 20 * LANE, 8260 + 20 * LANE)
"""A range of its own, so that a server that was left behind is easily found."""

MISSING = f"there is no Redis: set TEST_REDIS_URL, or {NO_REDIS}"


FURTHER = list(redis_binaries())[1:]
"""Kinds that the contracts of events and limits are tried on as well."""


@pytest.fixture(scope="session")
def redis_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """The URL of a server of this kind that tests may write to. Use a prefix of your own: it is shared by all tests."""
    urls: dict[str, str] = {}
    with ExitStack() as stack:

        def url_of(kind: str) -> str:
            if kind not in urls:
                port, process = start_redis(redis_binaries()[kind], tmp_path_factory.mktemp("redis"))
                stack.callback(stop, process)
                urls[kind] = f"redis://127.0.0.1:{port}/0"
            return urls[kind]

        yield url_of


@pytest.fixture(scope="session")
def redis_url(redis_of: Callable[[str], str]) -> str:
    """That of the environment, else the first kind that is here."""
    if given := os.environ.get("TEST_REDIS_URL"):
        return given
    kinds = list(redis_binaries())
    if not kinds:
        pytest.skip(MISSING)
    return redis_of(kinds[0])


def start_redis(binary: Path, folder: Path, ports: range = PORTS) -> tuple[int, "subprocess.Popen[bytes]"]:
    """Starts one that keeps nothing, on the first free port. Two test runs may reach for the same."""
    for port in ports:
        if not is_free(port):
            continue
        process = subprocess.Popen(
            [binary, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if _answers(port, process):
            return port, process
        stop(process)
    raise RuntimeError(f"no Redis could be started on the ports {ports.start} to {ports.stop - 1}")


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(port: int, process: "subprocess.Popen[bytes]", patience_seconds: float = 10.0) -> bool:
    """Until ours answers; another run's server on the same port is not ours."""
    give_up_at = time.monotonic() + patience_seconds
    with redis.Redis(port=port, socket_timeout=1) as client:
        while process.poll() is None and time.monotonic() < give_up_at:
            try:
                return bool(client.info("server")["process_id"] == process.pid)
            except redis.ConnectionError:
                time.sleep(0.02)
    return False


class MortalRedis:
    """A Redis of a test's own, to be killed and started again, empty, on the same port."""

    def __init__(self, binary: Path, folder: Path, ports: range = MORTAL_PORTS) -> None:
        self._binary, self._folder = binary, folder
        self.port, self.process = start_redis(binary, folder, ports)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        _, self.process = start_redis(self._binary, self._folder, range(self.port, self.port + 1))


@pytest.fixture
def mortal_redis(tmp_path: Path) -> Iterator[MortalRedis]:
    binary = redis_binary()
    if binary is None:
        pytest.skip(MISSING)
    server = MortalRedis(binary, tmp_path)
    yield server
    stop(server.process)
