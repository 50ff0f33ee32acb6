"""A real nginx with the configuration of deploy/, in front of two real servers."""

import datetime
import ipaddress
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.processes import free_port
from project.stack.proxy import DEPLOY, nginx_user
from tests.live import PASSWORD, LiveSite, copy_site, database_url

MAIN = """\
daemon off;
{user}worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/lectern.conf;
}}
"""


@dataclass
class Front:
    sites: list[LiveSite]
    secure_port: int
    plain_port: int
    tls: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.secure_port}"

    def client(self, **more: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=self.tls, **more)

    def sign_in(self, client: httpx.Client, name: str = "alice", password: str = PASSWORD) -> httpx.Response:
        client.get("/accounts/login/")
        form = {"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        return client.post("/accounts/login/", data=form, headers={"Referer": self.url})

    def socket(self, client: httpx.Client, *, origin: str | None = None) -> Any:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        return websockets.connect(
            f"wss://127.0.0.1:{self.secure_port}/ws/chat/",
            ssl=self.tls,
            additional_headers={"Cookie": cookie},
            origin=origin or self.url,  # type: ignore[arg-type]
            max_size=None,
            close_timeout=1,
        )


@contextmanager
def two_sites(prepared: Path, folder: Path, redis_url: str) -> Iterator[list[LiveSite]]:
    """As on two machines: a folder each, one database."""
    folders = [folder / "one", folder / "other"]
    for each in folders:
        copy_site(prepared, each)
    shared = {
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url(folders[0]) or f"sqlite:///{folders[0] / 'db.sqlite3'}",
        "SECRET_KEY": "the same on both, and long enough to be one: 0123456789abcdef",
        "HTTPS": "yes",
        "PROXY_COUNT": "1",
    }
    sites = [LiveSite(each, free_port(), shared) for each in folders]
    try:
        for site in sites:
            site.start()
        yield sites
    finally:
        for site in sites:
            if site.process is not None:
                site.process.kill()
                site.process.wait()


@contextmanager
def nginx_before(binary: Path, sites: list[LiveSite], folder: Path) -> Iterator[Front]:
    folder.mkdir()
    tls = make_certificate(folder)
    front = Front(sites, free_port(), free_port(), tls)
    (folder / "lectern.conf").write_text(configuration(front, folder))
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=nginx_user()))
    command: list[str | Path] = [
        binary,
        "-e",
        folder / "error.log",
        "-p",
        folder,
        "-c",
        folder / "nginx.conf",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        give_up_at = time.monotonic() + 20
        while True:
            assert process.poll() is None, (folder / "error.log").read_text()
            try:
                httpx.get(f"{front.url}/livez", verify=tls)
            except httpx.TransportError:
                assert time.monotonic() < give_up_at
                time.sleep(0.05)
            else:
                break
        yield front
    finally:
        process.terminate()
        process.communicate(timeout=20)


def configuration(front: Front, folder: Path) -> str:
    """That of deploy/, with the ports, paths and certificates of this test in the places of the example's."""
    text = (DEPLOY / "nginx.conf").read_text()
    one, other = (site.port for site in front.sites)
    for old, new in {
        "listen 80;": f"listen 127.0.0.1:{front.plain_port};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{front.secure_port} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        "127.0.0.1:8001 max_fails=1": f"127.0.0.1:{one} max_fails=1",
        "127.0.0.1:8002 max_fails=1": f"127.0.0.1:{other} max_fails=1",
        "127.0.0.1:8001 max_fails=0": f"127.0.0.1:{one} max_fails=0",
        "127.0.0.1:8002 max_fails=0": f"127.0.0.1:{other} max_fails=0",
        "/etc/letsencrypt/live/chat.example.org/fullchain.pem": f"{folder}/certificate.pem",
        "/etc/letsencrypt/live/chat.example.org/privkey.pem": f"{folder}/key.pem",
        "include /etc/nginx/lectern-locations.conf": f"include {DEPLOY}/nginx-locations.conf",
    }.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def make_certificate(folder: Path) -> ssl.SSLContext:
    """For 127.0.0.1, signed by itself; the context trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return ssl.create_default_context(cadata=pem.decode())
