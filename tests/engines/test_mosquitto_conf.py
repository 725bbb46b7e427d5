"""mosquitto.conf: as it lies in the project, and as the base of our own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dskity.broker.engines.listen import Listen
from dskity.broker.engines.mosquitto_conf import BASE, render
from tests.servers import free_port, program, wait_for_port

ROOT = Path(__file__).parents[2]


def test_the_packaged_file_is_the_one_at_the_root() -> None:
    assert BASE.resolve() == ROOT / "mosquitto.conf"


def test_it_starts_as_it_lies(tmp_path: Path) -> None:
    """With the port alone changed, so that the test disturbs no broker on 1883."""
    path = program("mosquitto", "mosquitto")
    port = free_port()
    text = BASE.read_text()
    assert "\nlistener 1883 127.0.0.1\n" in text
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(text.replace("\nlistener 1883 ", f"\nlistener {port} "))
    with subprocess.Popen((path, "-c", str(conf)), stderr=subprocess.PIPE) as broker:
        wait_for_port(port)
        broker.terminate()
        _, errors = broker.communicate(timeout=10)
    assert broker.returncode == 0
    assert b"Opening ipv4 listen socket" in errors
    assert b"Unknown configuration" not in errors


def test_what_the_runtime_sets_is_not_in_the_base_any_more(tmp_path: Path) -> None:
    listen = Listen(
        port=1884, websocket_port=9001, users_file=Path("/etc/users"), acl_file=Path("/etc/acl")
    )
    lines = render(BASE.read_text(), listen, tmp_path).splitlines()
    words = [line.split(maxsplit=1)[0] for line in lines if line and line[0] != "#"]
    repeatable = {"listener", "log_type"}
    once = [word for word in words if word not in repeatable]
    assert sorted(once) == sorted(set(once))
    assert [line for line in lines if line.startswith("listener")] == [
        "listener 1884 127.0.0.1",
        "listener 9001 127.0.0.1",
    ]
    assert "max_inflight_messages 10000" in lines
    assert "allow_anonymous false" in lines
    assert "password_file /etc/users" in lines
    assert "acl_file /etc/acl" in lines


@pytest.mark.parametrize(
    "block",
    [
        "listener 8883\ncafile /ca\ncertfile /c\nkeyfile /k\nrequire_certificate true",
        "listener 9001\nprotocol websockets",
        "#listener 1\n  \n",
    ],
)
def test_a_listener_of_the_base_leaves_no_trace(block: str, tmp_path: Path) -> None:
    plain = render("persistence true\n", Listen(), tmp_path)
    assert render(f"persistence true\n{block}\n", Listen(), tmp_path) == plain
