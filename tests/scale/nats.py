"""Three nodes of NATS with MQTT on loopback, one cluster: Debian's nats-server, which is the one
broker there that both clusters and starts in seconds.

It speaks MQTT 3.1.1 and has no shared subscriptions (nor have Debian's ejabberd and RabbitMQ).
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers import HOST, ServerProcess, free_port, program

NODES = 3
READY_WITHIN = 30.0  # seconds until each answers CONNECT: they elect leaders first; takes 7
_CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x05\x00\x05probe"  # clean session, keep alive 5 s


@contextlib.contextmanager
def nats_cluster(folder: Path) -> Iterator[list[ServerProcess]]:
    """The nodes, each by its MQTT port, ready to take connections. What they keep is on all three.

    An unacknowledged message comes again after 2 s (NATS has 30).
    """
    path = program("nats-server", "nats-server")
    routes = [free_port() for _ in range(NODES)]
    with contextlib.ExitStack() as stack:
        nodes = []
        for number in range(NODES):
            own = folder / f"node-{number}"
            own.mkdir(parents=True)
            port = free_port()
            (own / "conf").write_text(_configuration(own, number, routes, port), encoding="utf-8")
            node = ServerProcess((path, "-c", str(own / "conf")), port, own / "log")
            stack.callback(node.stop)
            node.start()
            nodes.append(node)
        for node in nodes:
            _wait_until_ready(node.port)
        yield nodes


def _configuration(folder: Path, number: int, routes: list[int], port: int) -> str:
    others = ", ".join(f'"nats://{HOST}:{route}"' for route in routes)
    return "\n".join(
        (
            f"server_name: node-{number}",
            f'listen: "{HOST}:{free_port()}"',
            f'jetstream {{ store_dir: "{folder}", max_mem: 64MB, max_file: 256MB }}',
            f'cluster {{ name: "test", listen: "{HOST}:{routes[number]}", routes: [{others}] }}',
            f'mqtt {{ listen: "{HOST}:{port}", stream_replicas: {NODES}, ack_wait: "2s" }}',
        )
    )


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not _welcomes(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the node on {HOST}:{port} is not ready after {READY_WITHIN:g} s")
        time.sleep(0.05)


def _welcomes(port: int) -> bool:
    """Whether it answers CONNECT with a CONNACK of success."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 5) as probe:
        probe.sendall(_CONNECT)
        return probe.recv(4) == b"\x20\x02\x00\x00"
    return False
