"""TLS, client certificates and WebSockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings
from dskity.broker.tls import TlsSettings
from dskity.broker.transport import MqttTransport
from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidSettings
from dskity.bus.link import Link
from dskity.bus.message import Message
from tests.broker.conftest import Authority
from tests.servers import free_port, mosquitto, tcp_proxy
from tests.waiting import until


@asynccontextmanager
async def started(transport: MqttTransport) -> AsyncIterator[list[Delivery]]:
    """The transport, started; what it receives."""
    received: list[Delivery] = []

    def receive(delivery: Delivery) -> None:
        received.append(delivery)
        delivery.done()

    await transport.start(receive, Link())
    try:
        yield received
    finally:
        await transport.close()


def _transport(url: str, client_id: str, **settings: Any) -> AiomqttTransport:
    return AiomqttTransport(ConnectionSettings(url, client_id, **settings))


async def exchange(transport: MqttTransport) -> None:
    """Connect, and send 300 kB round: more than a TLS record, a frame and a socket buffer."""
    async with started(transport) as received:
        await until(lambda: transport.connected, "it connects")
        await transport.subscribe("round/#", 1, 1)
        for number in range(30):
            await transport.publish(Message(f"round/{number}", bytes([number]) * 10_000))
        await until(lambda: len(received) == 30, "all come back")
        assert [delivery.payload[0] for delivery in received] == list(range(30))


def tls_lines(authority: Authority, *more: str) -> tuple[str, ...]:
    """mosquitto's side."""
    server = authority.sign("server")
    return (
        f"certfile {server.cert_file}", f"keyfile {server.key_file}",
        f"cafile {authority.ca_file}", *more,
    )  # fmt: skip


async def test_tls_with_an_authority_of_our_own(authority: Authority) -> None:
    """`ca_file` decides whom we trust."""
    with mosquitto(tls_lines(authority)) as server:
        tls = TlsSettings(ca_file=authority.ca_file)
        await exchange(_transport(f"mqtts://localhost:{server.port}", "box", tls=tls))


async def test_a_client_certificate_says_who_we_are(authority: Authority) -> None:
    """The broker insists on one."""
    client = authority.sign("box")
    with mosquitto(tls_lines(authority, "require_certificate true")) as server:
        tls = TlsSettings(authority.ca_file, client.cert_file, client.key_file)
        await exchange(_transport(f"mqtts://127.0.0.1:{server.port}", "box", tls=tls))


async def test_insecure_accepts_any_certificate(authority: Authority) -> None:
    """Only when it is asked for."""
    with mosquitto(tls_lines(authority)) as server:
        tls = TlsSettings(insecure=True)
        await exchange(_transport(f"mqtts://127.0.0.1:{server.port}", "box", tls=tls))


async def test_an_unknown_authority_is_refused_and_the_log_says_what_to_set(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the most frequent trouble with TLS."""
    with mosquitto(tls_lines(authority)) as server, caplog.at_level(logging.WARNING, "dskity.mqtt"):
        transport = _transport(f"mqtts://127.0.0.1:{server.port}", "box")
        async with started(transport):
            await until(lambda: "common.mqtt.tls.ca_file" in caplog.text, "the warning")
        assert "is not trusted" in caplog.text
        assert not transport.connected


async def test_tls_towards_a_plain_port_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The other frequent trouble."""
    with mosquitto() as server, caplog.at_level(logging.WARNING, "dskity.mqtt"):
        async with started(_transport(f"mqtts://127.0.0.1:{server.port}", "box")):
            await until(lambda: f":{server.port}: " in caplog.text, "the warning")


async def test_files_that_cannot_be_used_are_told_at_the_start(tmp_path: Any) -> None:
    """They name the setting, and the file."""
    missing = TlsSettings(ca_file=str(tmp_path / "missing.pem"))
    with pytest.raises(InvalidSettings, match=r"common.mqtt.tls.ca_file .*missing.pem"):
        await _transport("mqtts://host", "box", tls=missing).start(print, Link())
    lonely = TlsSettings(key_file="key.pem")
    with pytest.raises(InvalidSettings, match=r"needs common.mqtt.tls.cert_file"):
        await _transport("mqtts://host", "box", tls=lonely).start(print, Link())


@pytest.mark.parametrize("path", ["", "/mqtt", "/other"])
async def test_websocket(path: str) -> None:
    """On a listener of its own."""
    port = free_port()
    with mosquitto((f"listener {port} 127.0.0.1", "protocol websockets")):
        await exchange(_transport(f"ws://127.0.0.1:{port}{path}", "box"))


async def test_websocket_over_tls(authority: Authority) -> None:
    """`wss://`."""
    port = free_port()
    lines = (f"listener {port} 127.0.0.1", "protocol websockets", *tls_lines(authority))
    with mosquitto(lines):
        tls = TlsSettings(ca_file=authority.ca_file)
        await exchange(_transport(f"wss://localhost:{port}", "box", tls=tls))


async def test_a_handshake_that_hangs_holds_nobody_up(authority: Authority) -> None:
    """The connection is there and no byte comes through; closing does not wait for it."""
    with mosquitto(tls_lines(authority)) as server:
        async with tcp_proxy(server.port) as proxy:
            proxy.hold()
            for scheme in ("mqtts", "wss", "ws", "mqtt"):
                url = f"{scheme}://127.0.0.1:{proxy.port}"
                settings = ConnectionSettings(url, "box", connect_timeout=30)
                proxy.accepted = 0
                async with asyncio.timeout(5), started(AiomqttTransport(settings)):
                    await until(lambda: proxy.accepted, "it connects")
