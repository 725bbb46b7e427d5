"""How mqttium's clients open a TCP or TLS connection.

Its own way races address families, which under Python < 3.12 loses the winner's socket when it is
cancelled, and which uvloop does not know. This one connects by `sockets.py`, and then makes the
same transports of mqttium: the one that reads straight into its decoder where the loop allows it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl as tls

from mqttium.transport._push import DecoderPushProtocol, PushStreamTransport
from mqttium.transport._stream import StreamTransportBase
from mqttium.transport.tcp import TcpTransport

from dskity.broker.sockets import connect


async def open_stream(
    host: str, port: int, *, ssl: tls.SSLContext | None = None
) -> StreamTransportBase:
    """A connected transport of mqttium; `OSError` where it cannot be had."""
    stream = await connect(host, port)
    try:
        loop = asyncio.get_running_loop()
        if ssl is None and isinstance(loop, asyncio.SelectorEventLoop):
            return await _push(loop, stream)
        name = host if ssl is not None else None
        reader, writer = await asyncio.open_connection(sock=stream, ssl=ssl, server_hostname=name)
        return TcpTransport(reader, writer)
    except BaseException:
        stream.close()
        raise


async def _push(loop: asyncio.AbstractEventLoop, stream: socket.socket) -> PushStreamTransport:
    reader = asyncio.StreamReader(loop=loop)
    protocol = DecoderPushProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=stream)
    return PushStreamTransport(
        reader, asyncio.StreamWriter(transport, protocol, reader, loop), protocol
    )
