"""What stands in front: nginx or caddy where the machine has one, else the forwarder of our own."""

import grp
import os
import pwd
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from project.stack.binaries import proxy_binary
from project.stack.refused import Refused

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KINDS = ("nginx", "caddy", "own")

NGINX = """\
daemon off;
{user}worker_processes 2;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $lectern_connection {{
        default upgrade;
        "" close;
    }}
    upstream lectern {{
        zone lectern 64k;
        least_conn;
{servers}
    }}
    server {{
        listen {listen};
{locations}
    }}
}}
"""

CADDY = """\
{{
    admin off
    auto_https off
}}
http://:{port} {{
	bind {host}
{inside}
}}
"""


@dataclass(frozen=True)
class Front:
    """`tells_addresses`: whether it adds to X-Forwarded-For. One that forwards bytes cannot."""

    kind: str
    command: Sequence[str | Path]
    tells_addresses: bool
    environment: Mapping[str, str] = field(default_factory=dict)


def front(
    kind: str, folder: Path, *, host: str, port: int, upstreams: Sequence[int], behind_tls: bool
) -> Front:
    """The proxy of this kind, configured in `folder`; `auto` takes what the machine has.

    Behind TLS somebody before us says that it was https; else what a client says about it is not passed on.

    Raises:
        Refused: there is none of that kind.
    """
    kinds = KINDS if kind == "auto" else [kind]
    for one in kinds:
        if one == "own":
            return _own(host, port, upstreams)
        if (binary := proxy_binary(one)) is not None:
            folder.mkdir(mode=0o700, exist_ok=True)
            build = _nginx if one == "nginx" else _caddy
            return build(binary, folder, host, port, upstreams, behind_tls)
    raise Refused(f"There is no {kind} here. Install it, or leave --proxy out.")


def _own(host: str, port: int, upstreams: Sequence[int]) -> Front:
    words = ["--host", host, "--port", str(port), *(word for up in upstreams for word in ("--to", str(up)))]
    return Front("own", [sys.executable, "-m", "project.stack.forwarder", *words], tells_addresses=False)


def _nginx(
    binary: Path, folder: Path, host: str, port: int, upstreams: Sequence[int], behind_tls: bool
) -> Front:
    locations = (DEPLOY / "nginx-locations.conf").read_text(encoding="utf-8")
    if behind_tls:
        locations = locations.replace("$scheme", "$http_x_forwarded_proto")
    configuration = folder / "nginx.conf"
    configuration.write_text(
        NGINX.format(
            user=nginx_user(),
            folder=folder,
            servers="\n".join(
                f"        server 127.0.0.1:{up} {marks};"
                for marks in ("max_fails=1 fail_timeout=1s", "max_fails=0 backup")
                for up in upstreams
            ),
            listen=f"{_bracketed(host)}:{port}",
            locations=_indented(locations, 8),
        ),
        encoding="utf-8",
    )
    # -e: before it has read its configuration it would write to a log of the system.
    return Front("nginx", [binary, "-e", "stderr", "-p", folder, "-c", configuration], tells_addresses=True)


def nginx_user() -> str:
    """As root it would give its workers to a user who may not enter root's folders. The web processes are root then,
    too."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name};\n"


def _caddy(
    binary: Path, folder: Path, host: str, port: int, upstreams: Sequence[int], behind_tls: bool
) -> Front:
    configuration = folder / "Caddyfile"
    text = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    inside = text[text.index(" {\n") + 2 : text.rindex("}")]
    processes = " ".join(f"127.0.0.1:{up}" for up in upstreams)
    inside = _with(inside, "127.0.0.1:8001 127.0.0.1:8002", processes)
    if behind_tls:
        passed_on = "header_up X-Forwarded-Proto {http.request.header.X-Forwarded-Proto}"
        inside = _with(inside, "flush_interval -1", f"flush_interval -1\n\t\t{passed_on}")
    configuration.write_text(CADDY.format(port=port, host=host, inside=inside), encoding="utf-8")
    command: list[str | Path] = [binary, "run", "--config", configuration, "--adapter", "caddyfile"]
    # Where it keeps what it did last, else in its user's home.
    places = {"XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    return Front("caddy", command, tells_addresses=True, environment=places)


def _with(text: str, words: str, others: str) -> str:
    """Raises `Refused` where deploy/Caddyfile is not written as expected."""
    if words not in text:
        raise Refused(f"deploy/Caddyfile has no {words!r}; use another proxy: ARGS='--proxy own'.")
    return text.replace(words, others)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _indented(text: str, spaces: int) -> str:
    return "\n".join(" " * spaces + line if line else "" for line in text.splitlines())
