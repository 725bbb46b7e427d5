"""A publisher that costs next to nothing: a raw socket that sends packets made beforehand.

At QoS 0 it sends all topics in one write; at QoS 1 it keeps `WINDOW` packets on their way, by the
PUBACKs that come back. Either way it stays at most `AHEAD` messages before the consumer.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

from benchmarks import packets
from benchmarks.child import arguments, report
from benchmarks.progress import Progress
from benchmarks.workload import TOPICS, payload

WINDOW = 200
AHEAD = 10_000
_POLL = 0.0005  # seconds between two looks at the consumer's progress


class Publisher:
    """One connection; `send` publishes so many messages and closes it."""

    def __init__(self, port: int, progress: Progress) -> None:
        self._progress = progress
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(packets.connect("bench-publisher"))
        self._read(packets.CONNACK_BYTES)

    def send(self, qos: int, messages: int) -> None:
        """Publish, and return when the broker has everything."""
        if qos:
            self._send_acknowledged(messages)
        else:
            self._send_unacknowledged(messages)
        self._socket.sendall(packets.DISCONNECT)
        self._socket.close()

    def _send_unacknowledged(self, messages: int) -> None:
        made = [packets.publish(topic, payload(i)) for i, topic in enumerate(TOPICS)]
        sent = 0
        while sent < messages:
            count = min(len(made), messages - sent)
            self._keep_near(sent)
            self._socket.sendall(b"".join(made[:count]))
            sent += count

    def _send_acknowledged(self, messages: int) -> None:
        # A slot is a topic and a packet identifier; its PUBACK frees it for the next message.
        made = {
            slot + 1: packets.publish(TOPICS[slot], payload(slot), slot + 1)
            for slot in range(WINDOW)
        }
        free = list(made)
        sent = acknowledged = 0
        while acknowledged < messages:
            slots = free[: messages - sent]
            self._keep_near(sent)
            self._socket.sendall(b"".join([made[slot] for slot in slots]))
            sent += len(slots)
            free = self._freed()
            acknowledged += len(free)

    def _keep_near(self, sent: int) -> None:
        while sent - self._progress.told() > AHEAD:
            time.sleep(_POLL)

    def _freed(self) -> list[int]:
        """The slots whose PUBACKs have come, one at least."""
        data = self._read(packets.PUBACK_BYTES) + self._waiting()
        data += self._read(-len(data) % packets.PUBACK_BYTES)
        return [int.from_bytes(data[at + 2 : at + 4], "big") for at in range(0, len(data), 4)]

    def _waiting(self) -> bytes:
        """What has come already."""
        try:
            return self._socket.recv(65_536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            if not more:
                raise ConnectionError("the broker closed the publisher's connection")
            data += more
        return data


def main() -> None:
    """The process: publish what the arguments say."""
    given = arguments()
    started = time.perf_counter()
    publisher = Publisher(given["port"], Progress(Path(given["progress"])))
    publisher.send(given["qos"], given["messages"])
    report({"seconds": time.perf_counter() - started})


if __name__ == "__main__":
    main()
