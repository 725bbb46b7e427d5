"""Who forgot a message: the wire between the runtime and the broker, as it was.

A message that the runtime has acknowledged and not handled is lost, and the runtime lost it. One
that it never acknowledged is the broker's to send, again and again. Should the broker not have it
any more, then it has forgotten it: mosquitto acknowledges a publish as soon as it has it in memory
and writes its database afterwards, whatever it is told to do after each change.
"""

from __future__ import annotations

import json
import socket

from benchmarks import packets
from tests.faults import frames
from tests.faults.proxy import Direction, Link, Proxy, Write
from tests.servers import HOST

_PINGREQ = b"\xc0\x00"
_CLEAN = 0x02  # the flag of CONNECT
_FLAGS = 9  # where it is


class Tap(Proxy):
    """`acknowledged` has the numbers that the runtime has sent a PUBACK for. MQTT 5 only."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.acknowledged: set[int] = set()

    def connection(self) -> Link:
        return _Listening(self.acknowledged)


class _Listening(Link):
    def __init__(self, acknowledged: set[int]) -> None:
        self._acknowledged = acknowledged
        self._sent: dict[int, int] = {}

    async def treat(self, direction: Direction, packet: bytes, write: Write) -> None:
        if direction == "down":
            publish = frames.publish(packet, five=True)
            if publish is not None and publish.topic.startswith("load/"):
                self._sent[publish.mid] = json.loads(publish.payload)["n"]
        elif (mid := frames.puback(packet)) in self._sent:
            self._acknowledged.add(self._sent.pop(mid))
        await write(packet)


def queued(port: int, client_id: str) -> set[int]:
    """The numbers of what the broker still has for a client, which must not be connected."""
    found: set[int] = set()
    stream = bytearray()
    with socket.create_connection((HOST, port)) as client:
        client.settimeout(10)
        connect = bytearray(packets.connect(client_id))
        connect[_FLAGS] &= ~_CLEAN
        client.sendall(connect + _PINGREQ)
        while more := client.recv(65_536):
            stream += more
            for packet in frames.split(stream):
                if frames.kind(packet) == frames.PINGRESP:  # comes behind all that is queued
                    return found
                publish = frames.publish(packet, five=False)
                if publish is not None and publish.topic.startswith("load/"):
                    found.add(json.loads(publish.payload)["n"])
    raise ConnectionError("the broker closed the connection")
