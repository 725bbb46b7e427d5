"""The private names of aiomqtt and paho: used in this file only."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping

import aiomqtt
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MessageType, MQTTErrorCode

from dskity.bus.base.foreign import Library, names_of

AIOMQTT = Library(
    "aiomqtt",
    ("2.5.0", "2.5.1"),
    None,
    names_of(
        "aiomqtt:Client",
        {
            "_client": "the paho client, whose callbacks and packets are ours",
            "_connected": "ends its connecting when the connection breaks before CONNACK",
        },
    ),
)
PAHO = Library(
    "paho-mqtt",
    ("2.2.0", "2.2.0"),
    None,
    names_of(
        "paho.mqtt.client:Client",
        {
            "_create_socket_connection": "takes a socket that was connected without a thread",
            "_ssl_wrap_socket": "takes a socket that was encrypted without a thread",
            "_sock_close": "releases a socket, at any stage",
            "_in_packet": "takes a packet that was read in one piece, not byte by byte",
            "_packet_handle": "handles that packet",
            "_packet_queue": "sends many packets that we have encoded in one piece",
            "_mid_generate": "draws no packet identifier that still waits for its answer",
            "_out_messages": "forgets a QoS 2 message that PUBREC refuses",
            "_inflight_messages": "counts that message out",
            "_in_messages": "takes over QoS 2 messages of the connection before",
            "_ping_t": "forgives a PINGRESP that cannot come while reading is paused",
            "_last_bytes_received": "counts what we have read ourselves for keep alive",
        },
    ),
)
LIBRARIES = (AIOMQTT, PAHO)


def paho_of(client: aiomqtt.Client) -> Client:
    """The paho client of an aiomqtt client."""
    return client._client


def fail_to_connect(client: aiomqtt.Client, error: aiomqtt.MqttError) -> None:
    """Have aiomqtt's connecting end with an error, unless it has ended."""
    if not client._connected.done():
        client._connected.set_exception(error)


def use_stream(paho: Client, stream: socket.socket) -> None:
    """Have it connect over a socket that is connected, and encrypted where that is wanted."""
    paho._create_socket_connection = lambda: stream  # type: ignore[method-assign]
    paho._ssl_wrap_socket = lambda secure: secure  # type: ignore[assignment,method-assign,return-value]


def close_socket(paho: Client) -> None:
    """Close its socket, if there is one."""
    paho._sock_close()


def heard(paho: Client) -> None:
    """Bytes have come from the broker."""
    paho._last_bytes_received = time.monotonic()


def forgive_ping(paho: Client) -> None:
    """Take PINGRESP as received: reading was paused."""
    paho._ping_t = 0.0
    heard(paho)


def handle(paho: Client, header: int, body: bytes) -> MQTTErrorCode:
    """Handle one packet; whatever it stumbles over is raised."""
    paho._in_packet = {  # as its own reading leaves it
        "command": header,
        "have_remaining": 1,
        "remaining_count": [],
        "remaining_mult": 1,
        "remaining_length": len(body),
        "packet": bytearray(body),
        "to_process": 0,
        "pos": 0,
    }
    return paho._packet_handle()


def queue(paho: Client, packets: bytes | memoryview) -> None:
    """Send encoded packets of any kind behind what waits.

    paho takes them for a PUBACK, which it does not look at; behind a DISCONNECT of its own it would
    close the socket at once.
    """
    paho._packet_queue(MessageType.PUBACK, packets, 0, 0)  # type: ignore[arg-type]


def draw_mids(paho: Client, draw: Callable[[], int]) -> None:
    """Have it take its packet identifiers from `draw`."""
    paho._mid_generate = draw  # type: ignore[method-assign]


def forget_sent(paho: Client, mid: int) -> bool:
    """Forget a QoS 2 message on its way out; whether it was known."""
    if paho._out_messages.pop(mid, None) is None:
        return False
    paho._inflight_messages -= 1
    return True


def unreleased(paho: Client) -> Mapping[int, MQTTMessage]:
    """The QoS 2 messages whose PUBREL has not come."""
    return paho._in_messages


def await_release(paho: Client, messages: Mapping[int, MQTTMessage]) -> None:
    """Have it know QoS 2 messages of the connection before."""
    paho._in_messages.update(messages)


def forget_received(paho: Client) -> None:
    """Have it forget the QoS 2 messages whose PUBREL has not come."""
    paho._in_messages.clear()


for _library in LIBRARIES:
    _library.check()
