"""The other files of deploy/, as the programs that read them see them. Without such a program there is no such test:
they are no part of any machine's set-up."""

import os
import shutil
import subprocess
import textwrap
import time
from pathlib import Path

import pytest
import redis

from project.stack.binaries import proxy_binary, redis_binary
from project.stack.proxy import DEPLOY, front


def accepted(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


CADDY = proxy_binary("caddy") or Path("caddy")

if CADDY.is_absolute():

    def test_caddy_takes_the_caddyfile():
        accepted(CADDY, "validate", "--config", DEPLOY / "Caddyfile", "--adapter", "caddyfile")

    def test_the_environment_names_site_and_processes_to_caddy():
        words = ["adapt", "--config", str(DEPLOY / "Caddyfile"), "--adapter", "caddyfile"]
        read = accepted(CADDY, *words, SITE="a.example", WEB="web-1:8000 web-2:8000")
        assert all(name in read for name in ("a.example", '"web-1:8000"', '"web-2:8000"'))

    def test_caddy_takes_what_a_stack_makes_of_it(tmp_path: Path):
        made = front("caddy", tmp_path, host="127.0.0.1", port=8310, upstreams=[1, 2], behind_tls=True)
        accepted(CADDY, "validate", *made.command[2:])


REDIS = redis_binary() or Path("redis-server")

if REDIS.is_absolute() and shutil.which("sh"):

    def test_the_redis_of_the_compose_file_wants_its_password_and_hears_of_its_end(tmp_path: Path):
        compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
        command = textwrap.dedent(
            compose.partition("- -c\n      - |\n")[2].partition("\n    volumes")[0] + "\n"
        )
        place = f"dir {tmp_path}\nport 0\nunixsocket {tmp_path}/socket\n"
        process = subprocess.Popen(
            ["sh", "-c", command.replace("$$", "$").replace("dir /data\n", place)],
            env={"PATH": f"{REDIS.parent}:{os.environ['PATH']}", "REDISCLI_AUTH": "secret"},
            stdout=subprocess.DEVNULL,
        )
        try:
            assert server_process(tmp_path / "socket", "secret") == process.pid
            with pytest.raises(redis.AuthenticationError):
                server_process(tmp_path / "socket", "")
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()


def server_process(socket: Path, password: str) -> int:
    with redis.Redis(unix_socket_path=str(socket), password=password) as client:
        for _ in range(200):
            try:
                return int(client.info("server")["process_id"])
            except (redis.BusyLoadingError, redis.ConnectionError) as error:
                if isinstance(error, redis.AuthenticationError):
                    raise
                time.sleep(0.05)
    raise AssertionError("it does not answer")


def has_compose() -> bool:
    docker = shutil.which("docker")
    asked = [docker or "docker", "compose", "version"]
    return bool(docker) and subprocess.run(asked, capture_output=True, check=False).returncode == 0


if has_compose():

    def test_docker_compose_takes_the_compose_file():
        secrets = {"DATABASE_PASSWORD": "a", "REDIS_PASSWORD": "b", "SECRET_KEY": "c", "SITE": "a.example"}
        accepted("docker", "compose", "-f", DEPLOY / "compose.yaml", "config", **secrets)
