"""Where a broker of ours listens, checked before anything is started."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dskity.broker.url import BrokerUrl
from dskity.bus.base.addresses import is_loopback
from dskity.bus.errors import EngineError, InvalidSettings

if TYPE_CHECKING:
    from pathlib import Path

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where clients here connect


@dataclass(frozen=True, slots=True)
class Listen:
    """An address for MQTT over TCP, and for MQTT over WebSocket if `websocket_port` is set.

    Port 0 takes a free one at each start. `users_file` is in the format of `mosquitto_passwd`;
    without one everybody who reaches the port may do everything, so the address must then be
    loopback. `acl_file` is in mosquitto's format. `websocket_origins` are those of the web pages
    that may connect, on a broker that can tell them apart.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    websocket_port: int | None = None
    users_file: Path | None = None
    acl_file: Path | None = None
    websocket_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.users_file is None and not is_loopback(self.host):
            raise InvalidSettings(
                f"broker.host {self.host} opens the broker to the network without passwords: "
                "set broker.users_file (mosquitto_passwd -c FILE NAME creates "
                "one), or broker.host to 127.0.0.1"
            )

    def check_pages(self, engine: str) -> None:
        """`InvalidSettings` where web pages could get in at an engine that looks at no `Origin`."""
        if self.websocket_origins:
            raise InvalidSettings(
                f"broker.websocket_origins: {engine} does not check a page's origin: remove "
                "it, or set broker.engine to builtin"
            )
        if self.websocket_port is not None and self.users_file is None:
            raise InvalidSettings(
                f"broker.websocket_port: with {engine}, which does not check a page's origin, "
                "every web page that is open in a browser on this machine could connect: set "
                "broker.engine to builtin, or to mosquitto with broker.users_file "
                "(mosquitto_passwd -c FILE NAME makes one)"
            )

    @property
    def near_host(self) -> str:
        """The address at which clients on this machine reach it."""
        return _EVERY_ADDRESS.get(self.host, self.host)

    def url(self, port: int) -> str:
        """The MQTT URL for clients on this machine; `port` is the one really open."""
        return str(BrokerUrl("mqtt", self.near_host, port))


def bind(host: str, port: int, setting: str) -> list[socket.socket]:
    """Listening sockets on every address of `host`, all on one port.

    `setting` names what the port comes from; `EngineError` says what to change.
    """
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in _addresses(host):
            # asyncio sets TCP_NODELAY only on sockets that say they are TCP, and an accepted one
            # says what its listener says: without it a request by amqtt takes 43 ms, not 2.5.
            opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sockets.append(opened)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.bind((address[0], port, *address[2:]))
            opened.listen()
            port = opened.getsockname()[1]
    except OSError as error:
        for opened in sockets:
            opened.close()
        raise EngineError(_refusal(error, host, port, setting)) from error
    return sockets


def bind_all(listen: Listen) -> tuple[list[socket.socket], list[socket.socket]]:
    """Listening sockets for TCP, and for WebSocket where that is wanted; both or none."""
    tcp = bind(listen.host, listen.port, "broker.port")
    if listen.websocket_port is None:
        return tcp, []
    try:
        return tcp, bind(listen.host, listen.websocket_port, "broker.websocket_port")
    except EngineError:
        for opened in tcp:
            opened.close()
        raise


def check_free(host: str, port: int, setting: str) -> int:
    """The port, if another process can now open it; for 0, one that it can."""
    sockets = bind(host, port, setting)
    found: int = sockets[0].getsockname()[1]
    for opened in sockets:
        opened.close()
    return found


def with_free_ports(listen: Listen) -> Listen:
    """The same with the ports that another process can now open."""
    port = check_free(listen.host, listen.port, "broker.port")
    web = listen.websocket_port
    if web is not None:
        web = check_free(listen.host, web, "broker.websocket_port")
    return replace(listen, port=port, websocket_port=web)


def _addresses(host: str) -> list[tuple[socket.AddressFamily, int, int, str, tuple[str, int]]]:
    # AI_ADDRCONFIG: no ::1 for localhost on a machine without IPv6.
    flags = socket.AI_PASSIVE | socket.AI_ADDRCONFIG
    found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(found))  # type: ignore[arg-type]  # TCP addresses have host, port


def _refusal(error: OSError, host: str, port: int, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        fix = f"port {port} on {host} is already in use: set {setting} to a free port"
        url = BrokerUrl("mqtt", _EVERY_ADDRESS.get(host, host), port)
        there = f", or common.mqtt.url to {url} to use the broker that is there"
        return fix + there if setting == "broker.port" else fix
    if error.errno == errno.EACCES:
        return f"this user may not open port {port}: set {setting} to one above 1023"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{host} is not an address of this machine: set broker.host to one that is"
    return f"cannot listen on {host}, port {port}: {error.strerror}; see broker.host and {setting}"
