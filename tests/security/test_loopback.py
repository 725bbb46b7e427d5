"""Calls from this machine without a token: only the person's own pass."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from dskity.modules.access import peer_owner
from dskity.modules.access.loopback import belongs_to_us, is_forwarding_header
from dskity.modules.access.security import Guard
from dskity.modules.http import create_app
from tests.http.conftest import serving
from tests.servers import ServerProcess, free_port, program

NOBODY = 65534
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the user")
ROOT = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0,
    reason="to run a process as another user, the tests have to run as root",
)
FORWARDER = """
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
def copy(source, target):
    while data := source.recv(65536):
        target.sendall(data)
while True:
    near = listener.accept()[0]
    far = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    for pair in ((near, far), (far, near)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


@pytest.mark.parametrize(
    "name",
    [
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "cf-connecting-ip",
        "cf-ray",
        "cdn-loop",
        "true-client-ip",
        "fastly-client-ip",
        "x-envoy-external-address",
        "x-azure-clientip",
        "tailscale-user-login",
    ],
)
def test_a_forwarding_header_tells_with_hyphens_and_with_underscores(name: str) -> None:
    """Gateways that pass headers on as variables change one into the other."""
    assert is_forwarding_header(name)
    assert is_forwarding_header(name.replace("-", "_"))


@pytest.mark.parametrize(
    "name", ["host", "user-agent", "authorization", "x-request-id", "dskity-header-via", "accept"]
)
def test_a_header_of_the_callers_own_tells_nothing(name: str) -> None:
    """Else no call would pass."""
    assert not is_forwarding_header(name)


@contextlib.contextmanager
def connection(host: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client and the accepted end."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()[:2]) as client:
            accepted, _ = listener.accept()
            with accepted:
                yield client, accepted


@LINUX
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
@pytest.mark.parametrize("way", ["diag", "table"])
def test_the_owner_of_a_connection_is_found(
    host: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the kernel's answer for one socket, or in its table; one that its process has closed has
    no owner."""
    if way == "table":

        def refuse(*_: object) -> int:
            raise PermissionError

        monkeypatch.setattr(peer_owner, "_asked", refuse)
    with connection(host) as (client, accepted):
        peer, local = client.getsockname()[:2], accepted.getsockname()[:2]
        assert peer_owner.owner_of(peer, local) == os.geteuid()
        assert belongs_to_us(peer, local)
        client.close()
        with pytest.raises(peer_owner.Unknown):
            peer_owner.owner_of(peer, local)
        assert not belongs_to_us(peer, local)


@LINUX
def test_what_cannot_be_told_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """No such connection, and no table at all."""
    assert not belongs_to_us(("127.0.0.1", 1), ("127.0.0.1", 2))
    assert not belongs_to_us(("no address", 1), ("127.0.0.1", 2))
    monkeypatch.setattr(peer_owner, "_TABLES", ())
    assert not belongs_to_us(("127.0.0.1", 1), ("127.0.0.1", 2))


@contextlib.asynccontextmanager
async def open_door() -> AsyncIterator[int]:
    """A door that is open to loopback; its port."""
    app = create_app("t", Guard(loopback_open=True))

    @app.get("/")
    async def root() -> str:
        return "here"

    async with serving(app) as server:
        yield server.port


async def status(port: int) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{port}/")).status_code


async def test_http_1_0_needs_a_token() -> None:
    """It is what proxies speak to what is behind them."""
    async with open_door() as port:
        assert await status(port) == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 401 ")
        writer.close()


@contextlib.contextmanager
def started(command: list[str], port: int, folder: Path) -> Iterator[None]:
    server = ServerProcess(command, port, folder / "log")
    server.start()
    try:
        yield
    finally:
        server.discard()


@contextlib.contextmanager
def nginx(target: int, version: str, port: int) -> Iterator[None]:
    """A plain `proxy_pass`; the workers are of the user that Debian gives them."""
    path = program("nginx", "nginx")
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "conf").write_text(
            f"user www-data;\ndaemon off;\nworker_processes 1;\npid {name}/pid;\n"
            f"error_log {name}/log;\nevents {{}}\n"
            f"http {{ access_log off;\n"
            f"client_body_temp_path {name}/b; proxy_temp_path {name}/p; fastcgi_temp_path {name}/f;"
            f"uwsgi_temp_path {name}/u; scgi_temp_path {name}/s;\n"
            f"server {{ listen 127.0.0.1:{port}; location / {{\n"
            f"proxy_http_version {version}; proxy_pass http://127.0.0.1:{target}; }} }} }}\n"
        )
        with started([path, "-e", f"{name}/log", "-c", f"{name}/conf"], port, folder):
            yield


@ROOT
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_plain_proxy_pass_of_nginx_needs_a_token(version: str) -> None:
    """It adds no header; with HTTP/1.1 only the user of its worker tells."""
    pwd.getpwnam("www-data")
    async with open_door() as target:
        port = free_port()
        with nginx(target, version, port):
            assert await status(port) == 401
        assert await status(target) == 200


@ROOT
async def test_a_forwarder_of_another_user_needs_a_token(tmp_path: Path) -> None:
    """What comes through it is byte for byte what the person would send."""
    async with open_door() as target:
        port = free_port()
        become = f"import os, socket, threading\n'a'.encode('idna')\nos.setgid({NOBODY})\n"
        run = f"{become}os.setuid({NOBODY})\n{FORWARDER}"
        with started([sys.executable, "-c", run, str(port), str(target)], port, tmp_path):
            assert await status(port) == 401


async def test_a_forwarder_of_our_own_user_cannot_be_told_apart(tmp_path: Path) -> None:
    """So the documentation and the start say it."""
    async with open_door() as target:
        port = free_port()
        with started([sys.executable, "-c", FORWARDER, str(port), str(target)], port, tmp_path):
            assert await status(port) == 200
