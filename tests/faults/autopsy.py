"""What a broker that was killed still has: its database, read by another mosquitto.

mosquitto acknowledges a publish as soon as it has it in memory, and writes its database later,
whatever it is told to do after each change. So what it had acknowledged may be missing there, and
nobody who trusted the acknowledgement can be blamed for it.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path

from benchmarks import packets
from tests.faults import frames
from tests.servers import HOST, ServerProcess, free_port, program

DATABASE = "mosquitto.db"
_PINGREQ = b"\xc0\x00"
_KEPT = 0x02  # the flag "clean session" of CONNECT, which is to be off


def queued(copy: Path, client_id: str) -> set[int]:
    """The numbers of the messages of the suite that a database keeps for a client; `copy` is the
    folder of a copy of it."""
    port = free_port()
    lines = [
        "user root",  # as the broker that wrote it
        "persistence true",
        f"persistence_location {copy}/",
        "max_queued_messages 0",
        "max_inflight_messages 0",
        "allow_anonymous true",
        f"listener {port} {HOST}",
    ]
    config = copy / "autopsy.conf"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = (program("mosquitto", "mosquitto"), "-c", str(config))
    broker = ServerProcess(command, port, copy / "log")
    broker.start()
    try:
        found = _read_all(port, client_id)
    finally:
        broker.kill()
    return {json.loads(payload)["n"] for topic, payload in found if topic.startswith("load/")}


def _read_all(port: int, client_id: str) -> list[tuple[str, bytes]]:
    """All that waits for a client. PINGRESP comes behind it."""
    stream = bytearray()
    found: list[tuple[str, bytes]] = []
    with socket.create_connection((HOST, port)) as client:
        client.settimeout(10)
        connect = bytearray(packets.connect(client_id))
        connect[9] &= ~_KEPT
        client.sendall(connect + _PINGREQ)
        while more := client.recv(65_536):
            stream += more
            for packet in frames.split(stream):
                if frames.kind(packet) == frames.PINGRESP:
                    return found
                if frames.kind(packet) == frames.PUBLISH:
                    topic, _, payload = frames.publish_3(packet)
                    found.append((topic, payload))
    raise ConnectionError("the broker closed the connection")
