"""Addresses: the loopback rule, ports in use, URLs."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dskity.broker.engines.listen import Listen, bind, check_free
from dskity.bus.base.addresses import is_loopback
from dskity.bus.errors import EngineError, InvalidSettings


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("greenhouse.local", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])
def test_the_network_needs_a_users_file(host: str) -> None:
    with pytest.raises(InvalidSettings, match=r"set broker\.users_file .* broker\.host to 127"):
        Listen(host=host)
    Listen(host=host, users_file=Path("users"))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "mqtt://127.0.0.1:1884"),
        ("0.0.0.0", "mqtt://127.0.0.1:1884"),
        ("::", "mqtt://[::1]:1884"),
        ("192.168.1.5", "mqtt://192.168.1.5:1884"),
    ],
)
def test_the_url_is_for_clients_on_this_machine(host: str, url: str) -> None:
    assert Listen(host=host, users_file=Path("users")).url(1884) == url


def test_a_free_port_is_free_for_somebody_else_afterwards() -> None:
    port = check_free("127.0.0.1", 0, "broker.port")
    assert check_free("127.0.0.1", port, "broker.port") == port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))


def test_a_port_in_use_is_named_with_both_mends() -> None:
    (taken,) = bind("127.0.0.1", 0, "broker.port")
    port = taken.getsockname()[1]
    with taken, pytest.raises(EngineError) as caught:
        bind("127.0.0.1", port, "broker.port")
    assert str(caught.value) == (
        f"port {port} on 127.0.0.1 is already in use: set broker.port to a free port, "
        f"or common.mqtt.url to mqtt://127.0.0.1:{port} to use the broker that is there"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(EngineError, match=r"set broker\.host to one that is"):
        bind(host, 0, "broker.port")
