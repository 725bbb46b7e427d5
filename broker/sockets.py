"""A connected TCP socket, without a thread that a silent host could hold up."""

from __future__ import annotations

import asyncio
import socket


async def connect(host: str, port: int) -> socket.socket:
    """Try each address of `host` in turn; the last one's `OSError` is raised.

    TCP_NODELAY is set: with Nagle's algorithm a QoS 1 round trip takes 88 ms instead of 0.6 ms.
    """
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, address)
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure
