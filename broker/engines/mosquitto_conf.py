"""The configuration of the mosquitto that we run: the project's mosquitto.conf, with our own lines.

`mosquitto.conf` lies at the root of the project, for people and for other installations; a link in
this folder brings it into the installed package. mosquitto refuses most options that come twice
and opens every listener it reads of, so what we set is taken out of the base, not overridden.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dskity.broker.engines.listen import Listen

BASE = Path(__file__).with_name("mosquitto.conf")

# Options of the base that the runtime decides, and those that belong to a listener block.
_REPLACED = re.compile(
    r"user|pid_file|per_listener_settings|log_(dest|timestamp.*)|persistence_(location|file)"
    r"|allow_anonymous|password_file|acl_file|listener|port|bind_\w+|socket_domain|protocol"
    r"|http_dir|max_connections|mount_point|(ca|cert|key|crl|dhparam)file|capath|ciphers.*|tls_\w+"
    r"|psk_\w+|require_certificate|use_\w+"
)


def render(base: str, listen: Listen, state: Path | str, user: str | None = None) -> str:
    """The text for a broker that keeps its database in the folder `state`, and becomes `user` where
    root starts it; None: it stays root."""
    lines = ["# Written at each start; change mosquitto.conf or the settings instead.", ""]
    lines += [line for line in base.splitlines() if _is_kept(line)]
    lines += [
        "",
        f"user {user or 'root'}",  # started by others than root, this does nothing
        "per_listener_settings false",
        "log_dest stderr",
        "log_timestamp false",
        f"persistence_location {state}/",
        "persistence_file mosquitto.db",
        f"listener {listen.port} {listen.host}",
    ]
    if listen.websocket_port is not None:
        lines += _websocket(listen.host, listen.websocket_port)
    if listen.users_file is None:
        lines += ["allow_anonymous true"]
    else:
        lines += ["allow_anonymous false", f"password_file {listen.users_file}"]
    if listen.acl_file is not None:
        lines += [f"acl_file {listen.acl_file}"]
    return "\n".join(lines) + "\n"


def _websocket(host: str, port: int) -> list[str]:
    """2.0.11 hands the host to libwebsockets, which knows no names; and unless it is told of IPv4
    it takes an IPv4 address for none, and listens to the whole network."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    lines = [f"listener {port} {address[0]}", "protocol websockets"]
    return [*lines, "socket_domain ipv4"] if family == socket.AF_INET else lines


def _is_kept(line: str) -> bool:
    words = line.split(maxsplit=1)
    return bool(words) and not words[0].startswith("#") and not _REPLACED.fullmatch(words[0])
