"""What is measured, and how each is set up and started: the upstream, the bare relays, our server."""

import re
from dataclasses import asdict, dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener

from bench.processes import Processes, ProcessFailed, free_port, run_once

RELAYS = {
    "daphne": ["-m", "daphne", "-b", "127.0.0.1", "-v", "0"],
    "uvicorn": [
        *("-m", "uvicorn", "--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools"),
        *("--ws", "websockets-sansio", "--ws-per-message-deflate", "false"),
        *("--no-access-log", "--log-level", "warning", "--lifespan", "off"),
    ],
}
PASSWORD = "a-password-for-the-bench"
MAKE_USERS = """
from django.contrib.auth import get_user_model
for number in range({count}):
    get_user_model().objects.create_user(f"bench{{number}}", password="{password}")
"""


@dataclass(frozen=True)
class Running:
    name: str
    driver: str
    port: int
    pid: int
    cookies: list[str] = field(default_factory=list)

    def as_plan(self) -> dict[str, Any]:
        return asdict(self)


def start_upstream(processes: Processes) -> Running:
    port = free_port()
    pid = processes.start("upstream", "-m", "bench.upstream", "--port", str(port))
    processes.wait_for("upstream", port)
    return Running("direct", "direct", port, pid)


def start_relay(processes: Processes, server: str, upstream: Running) -> Running:
    name, port = f"relay, {server}", free_port()
    env = {"BENCH_UPSTREAM": f"127.0.0.1:{upstream.port}"}
    option = "-p" if server == "daphne" else "--port"
    pid = processes.start(name, *RELAYS[server], option, str(port), "bench.relay:application", env=env)
    processes.wait_for(name, port)
    return Running(name, "relay", port, pid)


def start_app(processes: Processes, server: str, upstream: Running, models: list[str], users: int) -> Running:
    """A fresh installation of its own: data folder, tables, users, provider; then signed in."""
    name, port = f"app, {server}", free_port()
    folder = processes.folder / f"data-{server}"
    env = app_environment(folder)
    run_once("manage.py", "migrate", "--no-input", "-v", "0", env=env)
    run_once("manage.py", "shell", "-c", MAKE_USERS.format(count=users, password=PASSWORD), env=env)
    base_url = f"http://127.0.0.1:{upstream.port}/v1"
    named = [word for model in models for word in ("--model", model)]
    provider = ["bench", "--dialect", "openai_chat", "--base-url", base_url, *named]
    run_once("manage.py", "add_provider", *provider, env=env)
    serve = ["manage.py", "serve", "--server", server, "--host", "127.0.0.1", "--port", str(port)]
    pid = processes.start(name, *serve, env=env)
    processes.wait_for(name, port, "/accounts/login/")
    cookies = [sign_in(port, f"bench{number}") for number in range(users)]
    return Running(name, "app", port, pid, cookies)


def app_environment(folder: Path) -> dict[str, str]:
    """Only what a load of this size needs to get past the limits made for people."""
    return {
        "DATA_DIR": str(folder),
        "LOG_LEVEL": "WARNING",
        "CHAT_COMMANDS_PER_MINUTE": "100000",
        "CHAT_FRAMES_PER_MINUTE": "1000000",
    }


class StayHere(HTTPRedirectHandler):
    """Signing in ends in a redirect to the chat page, which is not what is measured."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


def sign_in(port: int, username: str) -> str:
    """The Cookie header of a session, got by the form as a browser would."""
    jar = CookieJar()
    browser = build_opener(HTTPCookieProcessor(jar), StayHere)
    url = f"http://127.0.0.1:{port}/accounts/login/"
    with browser.open(url, timeout=20) as page:
        match = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.read().decode())
    if match is None:
        raise ProcessFailed("The sign-in page has no form.")
    form = {"csrfmiddlewaretoken": match[1], "username": username, "password": PASSWORD}
    request = Request(url, urlencode(form).encode(), {"Origin": f"http://127.0.0.1:{port}", "Referer": url})
    try:
        browser.open(request, timeout=20).close()
    except HTTPError as answer:
        if answer.code != 302:
            raise ProcessFailed(f"Signing in was answered with {answer.code}.") from answer
    cookies = {cookie.name: cookie.value for cookie in jar}
    if "sessionid" not in cookies:
        raise ProcessFailed(f"{username} could not sign in.")
    return "; ".join(f"{name}={value}" for name, value in cookies.items())
