"""`python -m project.stack`, which is what `make stack` ends in: starts everything, keeps it alive, ends it."""

import argparse
import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

from project import env, settings
from project.servers import listening
from project.servers.base import LaunchRefused
from project.stack.env_file import hold, stack_folder, write_settings
from project.stack.layout import ROOT, Layout, Wish, lay_out
from project.stack.leftovers import end_leftovers
from project.stack.proxy import KINDS
from project.stack.refused import Refused
from project.stack.supervisor import PartFailed, Supervisor

HOLD_SECONDS = 1.0
"""A command that just looks whether a stack runs holds the lock for a moment."""


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    try:
        wish = read_wish(words)
        return run(wish, stack_folder(settings.DATA_DIR))
    except (Refused, LaunchRefused, PartFailed) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def read_wish(words: list[str]) -> Wish:
    """Raises `LaunchRefused` where it cannot be had: the port is tried."""
    parser = argparse.ArgumentParser(prog="python -m project.stack", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="8000")
    parser.add_argument("--server", choices=["daphne", "uvicorn"], default="daphne")
    parser.add_argument("--proxy", choices=["auto", *KINDS], default="auto")
    wish = parser.parse_args(words)
    port = listening.port_number(wish.port)
    if port == 0:
        raise LaunchRefused("A stack needs a port of its own, such as PORT=8000.")
    with listening.bind(wish.host, port) as probe:
        address = listening.base_url(wish.host, probe)
    # The loopback's names are among the allowed ones unless somebody chose others.
    names = [name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"]
    return Wish(
        host=wish.host,
        port=port,
        address=settings.PUBLIC_URL or address,
        server=wish.server,
        proxy=wish.proxy,
        behind_tls=settings.HTTPS,
        host_name=names[0] if names else "localhost",
        drain_seconds=settings.DRAIN_SECONDS,
    )


def run(wish: Wish, folder: Path) -> int:
    folder.mkdir(mode=0o700, exist_ok=True)
    give_up_at = time.monotonic() + HOLD_SECONDS
    while (held := hold(folder)) is None:
        if time.monotonic() > give_up_at:
            raise Refused(f"A stack runs on DATA_DIR {settings.DATA_DIR} already. Stop it first.")
        time.sleep(0.05)
    with held:
        try:
            end_leftovers(folder, say)
            layout = lay_out(wish, folder, settings.DATA_DIR, given_settings())
            write_settings(folder, layout.settings)
            return asyncio.run(_run(wish, layout, folder))
        finally:
            (folder / "env").unlink(missing_ok=True)
            (folder / "stack.pid").unlink(missing_ok=True)


def given_settings() -> dict[str, str]:
    """What the environment of this command says. The parts get it, and whoever reads the stack's settings later."""
    return {name: value for name, value in env.given().items() if name != "DATA_DIR"}


async def _run(wish: Wish, layout: Layout, folder: Path) -> int:
    supervisor = Supervisor(layout.parts, folder, say)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.signalled, number)
    say(f"Starting {', '.join(part.name for part in layout.parts)} …")
    try:
        if await supervisor.start():
            await _greet(wish, layout, folder, supervisor)
            await supervisor.wait()
            say("Stopping: running answers are given their time. Once more ends it at once.")
    finally:
        await supervisor.end()
    say("Stopped.")
    return 1 if supervisor.was_cut_short else 0


async def _greet(wish: Wish, layout: Layout, folder: Path, supervisor: Supervisor) -> None:
    for part in layout.parts:
        say(f"  {part.name:9} pid {supervisor.pid_of(part.name):<7} {part.where}".rstrip())
    say(f"Logs, pid files and data: {folder}")
    say(
        f"Commands find the settings by themselves: DATA_DIR={settings.DATA_DIR} .venv/bin/python manage.py …"
    )
    link = await asyncio.to_thread(_setup_link, wish.address)
    if link:
        say(f"No user yet. Make the first administrator here (the link works once): {link}")
    say(f"{settings.SITE_NAME} is ready at {wish.address}")


def _setup_link(address: str) -> str:
    command = [sys.executable, "manage.py", "setup_link", "--url", address]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        say(f"No link for the first administrator could be made: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
