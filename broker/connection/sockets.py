"""Connected sockets, plain or TLS, without a thread that a silent host could hold up."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any


async def connect(host: str, port: int) -> socket.socket:
    """Try each address of `host` in turn; the last one's `OSError` is raised.

    TCP_NODELAY is set: with Nagle's algorithm a QoS 1 round trip takes 88 ms instead of 0.6 ms.
    """
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        stream = socket.socket(family, kind, protocol)
        try:
            stream.setblocking(False)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(stream, address)
        except OSError as error:
            stream.close()
            failure = error
        except BaseException:
            stream.close()
            raise
        else:
            return stream
    raise failure


async def encrypt(stream: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    """The same connection after a TLS handshake; `ssl.SSLError` where it fails."""
    loop = asyncio.get_running_loop()
    secure = context.wrap_socket(stream, server_hostname=host, do_handshake_on_connect=False)
    try:
        while True:
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                await _ready(secure, loop.add_reader, loop.remove_reader)
            except ssl.SSLWantWriteError:
                await _ready(secure, loop.add_writer, loop.remove_writer)
            else:
                return secure
    except BaseException:
        secure.close()
        raise


async def _ready(
    stream: socket.socket, add: Callable[..., None], remove: Callable[[Any], bool]
) -> None:
    ready = asyncio.Event()
    add(stream.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        remove(stream.fileno())
