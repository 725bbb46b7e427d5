"""A consumer that costs next to nothing: a raw socket that counts packets and acknowledges them."""

from __future__ import annotations

import socket
from pathlib import Path

from benchmarks import packets
from benchmarks.child import Stopwatch, arguments, ready, report
from benchmarks.progress import Progress
from benchmarks.workload import FILTER

_SUBACK_BYTES = 5
_STEP = 128
_QUIET = 5.0  # seconds without a message after which the rest is lost


def main() -> None:
    """The process: receive as many as the arguments say."""
    given = arguments()
    qos, expected = given["qos"], given["messages"]
    progress = Progress(Path(given["progress"]))
    with socket.create_connection(("127.0.0.1", given["port"])) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(packets.connect("bench-consumer"))
        _exactly(sock, packets.CONNACK_BYTES)
        sock.sendall(packets.subscribe(FILTER, qos))
        _exactly(sock, _SUBACK_BYTES)
        ready()
        report(_receive(sock, qos, expected, progress))


def _receive(sock: socket.socket, qos: int, expected: int, progress: Progress) -> dict[str, float]:
    unread, count, told = b"", 0, 0
    watch: Stopwatch | None = None
    sock.settimeout(_QUIET * 6)
    while count < expected:
        try:
            unread += sock.recv(262_144)
        except TimeoutError:
            break
        watch = watch or Stopwatch()
        sock.settimeout(_QUIET)
        at, acks = 0, []
        while len(unread) >= at + 4:  # no message of the workload is longer than 16 KiB
            size = unread[at + 1] & 0x7F
            start = at + 2
            if unread[at + 1] & 0x80:
                size |= unread[at + 2] << 7
                start += 1
            if len(unread) < start + size:
                break
            if qos:
                end = start + 2 + (unread[start] << 8 | unread[start + 1])
                acks.append(b"\x40\x02" + unread[end : end + 2])
            at = start + size
            count += 1
        unread = unread[at:]
        if acks:
            sock.sendall(b"".join(acks))
        if count - told >= _STEP or count == expected:
            told = count
            progress.tell(count)
    found = {"rate": 0.0} if watch is None else watch.per(max(1, count))
    return {"rate": found["rate"], "lost": expected - count}


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


if __name__ == "__main__":
    main()
