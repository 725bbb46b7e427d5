"""The configuration of the rumqttd that we run.

rumqttd speaks MQTT 5 and 3.1.1 on ports of their own, and over WebSocket 3.1.1 alone. For each
filter that somebody subscribes to it keeps one log of messages, in memory, for all subscribers; a
log has segments, and when there is one too many, the oldest is forgotten.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dskity.broker.engines.listen import Listen

# 32 MiB a filter: read messages stay as well, so each busy filter takes all of it (and some more).
_SEGMENT_BYTES = 1024 * 1024  # a message may be larger, and has a segment of its own then
_SEGMENTS = 32
MAX_PACKET = 16 * 1024 * 1024  # as in mosquitto.conf

_ROUTER = f"""\
# Written at each start; change the settings instead.
id = 0

[router]
id = 0
max_connections = 10000
max_outgoing_packet_count = 200
max_segment_size = {_SEGMENT_BYTES}
max_segment_count = {_SEGMENTS}
"""


def render(listen: Listen) -> str:
    """The text for a broker that listens there."""
    text = _ROUTER + _listener("v5", listen.host, listen.port)
    if listen.websocket_port is not None:
        text += _listener("ws", listen.host, listen.websocket_port)
    return text


def _listener(kind: str, host: str, port: int) -> str:
    # Without max_inflight_count it does not start, and whatever it says, 100 it is. With
    # dynamic_filters it would keep a log for each topic, also of those that nobody subscribes to.
    return f"""
[{kind}.1]
name = "{kind}"
listen = "{_socket_address(host, port)}"
next_connection_delay_ms = 0
[{kind}.1.connections]
connection_timeout_ms = 5000
max_payload_size = {MAX_PACKET}
max_inflight_count = 100
dynamic_filters = false
"""


def _socket_address(host: str, port: int) -> str:
    """rumqttd takes no names; the one that stands for loopback is localhost."""
    address = "127.0.0.1" if host == "localhost" else host
    literal = f"[{address}]" if ipaddress.ip_address(address).version == 6 else address  # noqa: PLR2004
    return f"{literal}:{port}"
