"""A load of HTTP requests on keep-alive connections: raw sockets, requests made beforehand."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Sequence

from benchmarks.child import arguments, report
from benchmarks.signing import delivery
from benchmarks.workload import TOPICS, payload

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CONNECTIONS = 16
_WARM_UP = 20 * _CONNECTIONS  # requests, so that every path has been gone once


def requests(kind: str, count: int) -> list[bytes]:
    """The requests of a kind, each complete."""
    body = payload(0)
    if kind == "empty":
        return [_request("/empty", {}, b"")] * count
    if kind == "publish":
        headers = {"Content-Type": "application/json"}
        return [_request(f"/topics/{TOPICS[i % len(TOPICS)]}", headers, body) for i in range(count)]
    run = secrets.token_hex(4)
    return [_request("/webhooks/github", delivery(body, f"{run}-{i}"), body) for i in range(count)]


def _request(path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + body


async def main(port: int, kind: str, count: int) -> None:
    """The process."""
    made = requests(kind, count)
    await _send_all(port, requests(kind, _WARM_UP))
    started = time.perf_counter()
    await _send_all(port, made)
    report({"rate": count / (time.perf_counter() - started), "warm_up": _WARM_UP})


async def _send_all(port: int, made: Sequence[bytes]) -> None:
    async with asyncio.TaskGroup() as connections:
        for number in range(_CONNECTIONS):
            connections.create_task(_send(port, made[number::_CONNECTIONS]), name=f"load-{number}")


async def _send(port: int, made: Sequence[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in made:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        if not head.startswith(b"HTTP/1.1 202"):
            raise SystemExit(f"not accepted:\n{(head + body).decode()}")
    writer.close()


if __name__ == "__main__":
    given = arguments()
    asyncio.run(main(given["port"], given["kind"], given["count"]))
