"""What a stack consists of, and what its parts are told."""

from pathlib import Path

import pytest

from bench.processes import free_port
from project.stack import layout as layouts
from project.stack.layout import Layout, Wish, lay_out, read_or_make_password
from project.stack.ports import ports_after
from project.stack.proxy import front
from project.stack.refused import Refused

OURS = {"DATABASE_URL": "postgres://db.example.org/lectern", "REDIS_URL": "redis://cache.example.org/0"}


def made(folder: Path, *, proxy: str = "own", **given: str) -> Layout:
    port = free_port()
    wish = Wish(host="127.0.0.1", port=port, address=f"http://127.0.0.1:{port}/", proxy=proxy)
    (folder / "stack").mkdir(exist_ok=True)
    return lay_out(wish, folder / "stack", folder, {**OURS, **given})


def test_servers_that_the_environment_names_are_used_and_none_are_started(tmp_path: Path):
    layout = made(tmp_path)
    names = {part.name for part in layout.parts}
    assert names == {"web-1", "web-2", "worker-1", "worker-2", "beat", "proxy"}
    assert layout.settings["DATABASE_URL"] == OURS["DATABASE_URL"]
    assert all(p.environment["REDIS_URL"] == OURS["REDIS_URL"] for p in layout.parts if p.name != "proxy")


def test_an_sqlite_file_is_no_database_for_a_stack(tmp_path: Path):
    with pytest.raises(Refused, match="a stack has PostgreSQL"):
        made(tmp_path, DATABASE_URL="sqlite:///db.sqlite3")


def test_the_first_web_process_migrates_before_the_others_begin(tmp_path: Path):
    stages = {part.name: part.begins for part in made(tmp_path).parts}
    assert stages["web-1"] < min(stages[name] for name in ("web-2", "worker-1", "worker-2", "beat"))
    assert stages["proxy"] == max(stages.values())


def test_people_are_told_the_public_address_and_not_an_inner_one(tmp_path: Path):
    layout = made(tmp_path)
    (front_part,) = (part for part in layout.parts if part.name == "proxy")
    assert layout.settings["PUBLIC_URL"].rstrip("/") == f"http://{front_part.where.split()[0]}"
    assert made(tmp_path, PUBLIC_URL="https://a.example").settings["PUBLIC_URL"] == "https://a.example"


def test_a_proxy_that_tells_addresses_is_counted_and_a_forwarder_is_not(tmp_path: Path, monkeypatch):
    assert "PROXY_COUNT" not in made(tmp_path).settings
    monkeypatch.setattr("project.stack.proxy.proxy_binary", lambda name: Path("/usr/sbin", name))
    assert made(tmp_path, proxy="nginx").settings["PROXY_COUNT"] == "1"
    assert made(tmp_path, proxy="caddy", PROXY_COUNT="2").settings["PROXY_COUNT"] == "2"


def test_a_proxy_that_is_wished_for_and_not_there_is_said(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("project.stack.proxy.proxy_binary", lambda name: None)
    with pytest.raises(Refused, match="There is no caddy here"):
        made(tmp_path, proxy="caddy")
    assert made(tmp_path, proxy="auto").front.kind == "own"


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
def test_the_configuration_names_the_web_processes_of_this_stack(tmp_path: Path, monkeypatch, kind: str):
    monkeypatch.setattr("project.stack.proxy.proxy_binary", lambda name: Path("/usr/sbin", name))
    texts = {}
    for behind_tls in (False, True):
        folder = tmp_path / str(behind_tls)
        command = front(
            kind, folder, host="127.0.0.1", port=8310, upstreams=[8311, 8312], behind_tls=behind_tls
        ).command
        (file,) = (Path(word) for word in command if str(word).endswith(("nginx.conf", "Caddyfile")))
        texts[behind_tls] = file.read_text()

    assert all("127.0.0.1:8311" in text and "127.0.0.1:8312" in text for text in texts.values())
    assert not any(":8001" in text or "chat.example.org" in text for text in texts.values())
    # Whether it was https is for somebody before us to say, if there is somebody.
    said = "x_forwarded_proto" if kind == "nginx" else "request.header.X-Forwarded-Proto"
    assert [said in texts[behind] for behind in (False, True)] == [False, True]


def test_the_password_of_its_servers_is_made_once_and_for_the_owner_alone(tmp_path: Path):
    first = read_or_make_password(tmp_path)
    assert len(first) > 20
    assert read_or_make_password(tmp_path) == first
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600


def test_inner_ports_are_near_the_public_one_and_free():
    public = free_port()
    ports = ports_after(public, 4, taken=[public])
    assert len(set(ports)) == 4
    assert public not in ports
    assert all(1024 <= port <= 65_535 for port in ports)


@pytest.mark.parametrize("public", [80, 65_535])
def test_at_either_end_there_are_ports_as_well(public: int):
    assert len(ports_after(public, 4, taken=[public])) == 4


def test_the_front_ends_after_the_web_processes_and_before_the_database(tmp_path: Path):
    ends = {part.name: part.ends for part in made(tmp_path).parts}
    assert ends["web-1"] < ends["proxy"] < layouts.END_REDIS < layouts.END_POSTGRES
