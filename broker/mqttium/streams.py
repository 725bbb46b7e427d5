"""How mqttium's clients open a connection.

Its own way races address families, which under Python < 3.12 loses the winner's socket when it is
cancelled, and which uvloop does not know. This one connects by `sockets.py`, and then makes the
same transports of mqttium: the one that reads straight into its decoder where the loop allows it.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl as tls

from dskity.broker.connection.sockets import connect
from dskity.broker.mqttium import private
from dskity.broker.mqttium.gate import Gate, GatedPush, GatedTcp, GatedWebSocket
from dskity.broker.settings import MAX_INCOMING_PACKET
from dskity.broker.url import DEFAULT_PORTS, BrokerUrl


async def open_stream(
    address: BrokerUrl, gate: Gate, host: str, port: int, *, ssl: tls.SSLContext | None = None
) -> GatedPush | GatedTcp | GatedWebSocket:
    """A connected transport of mqttium behind `gate`; `OSError` where it cannot be had."""
    transport = await _open(address, host, port, ssl)
    transport.gate = gate
    return transport


async def _open(
    address: BrokerUrl, host: str, port: int, ssl: tls.SSLContext | None
) -> GatedPush | GatedTcp | GatedWebSocket:
    stream = await connect(host, port)
    try:
        loop = asyncio.get_running_loop()
        if ssl is None and not address.websocket and isinstance(loop, asyncio.SelectorEventLoop):
            return await _push(loop, stream)
        name = host if ssl is not None else None
        reader, writer = await asyncio.open_connection(sock=stream, ssl=ssl, server_hostname=name)
    except BaseException:
        stream.close()
        raise
    if not address.websocket:
        return GatedTcp(reader, writer)
    try:
        return await _upgrade(address, reader, writer)
    except BaseException:
        writer.transport.abort()
        raise


async def _push(loop: asyncio.AbstractEventLoop, stream: socket.socket) -> GatedPush:
    reader = asyncio.StreamReader(loop=loop)
    protocol = private.DecoderPushProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=stream)
    return GatedPush(reader, asyncio.StreamWriter(transport, protocol, reader, loop), protocol)


async def _upgrade(
    address: BrokerUrl, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> GatedWebSocket:
    key = base64.b64encode(os.urandom(16)).decode()
    request = private.handshake_request(
        address.host, address.port, address.path, key, DEFAULT_PORTS[address.scheme]
    )
    writer.write(request)
    await writer.drain()
    early = await private.read_handshake(reader, key)
    transport = GatedWebSocket(reader, writer, max_frame_size=MAX_INCOMING_PACKET)
    private.put_back(transport, early)
    return transport
