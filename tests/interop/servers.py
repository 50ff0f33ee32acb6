"""Running a foreign server for the length of a test session."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.processes import free_port
from tests.interop.installation import HERE

READY_SECONDS = 90


@contextmanager
def running(
    command: list[str], url: str, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Waits until `url` answers anything below 500; ends the process in the end."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **(env or {})}
        )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[-1]} did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code < 500
    except httpx.TransportError:
        return False


@contextmanager
def running_aimock(command: list[str], folder: Path) -> Iterator[int]:
    """Yields its port. 20 ms between chunks of five characters: without a pause a cut comes before the chunks do."""
    port = free_port()
    options = ["-p", str(port), "-f", str(HERE / "aimock" / "answers.json"), "-l", "20", "-c", "5"]
    url = f"http://127.0.0.1:{port}/__aimock/journal"
    with running([*command, *options, "--log-level", "warn"], url, folder / "aimock.log"):
        yield port


@contextmanager
def running_litellm(command: list[str], aimock_port: int, folder: Path) -> Iterator[int]:
    port = free_port()
    config = folder / "litellm.yaml"
    config.write_text((HERE / "litellm.yaml").read_text().replace("{aimock}", str(aimock_port)))
    env = {
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "NO_PROXY": "127.0.0.1",
    }
    options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}/health/liveliness"
    with running([*command, *options], url, folder / "litellm.log", env):
        yield port
