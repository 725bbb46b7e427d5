"""The door of our amqtt closes every connection that it accepted."""

from __future__ import annotations

import asyncio
import socket

from dskity.broker.engines.amqtt.door import _StreamWriter
from tests.servers import HOST
from tests.waiting import until


async def test_a_client_that_resets_while_it_is_sent_away_keeps_no_socket_open() -> None:
    """After its FIN nobody reads, so the reset shows only in closing, as an error."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer)

    server = await asyncio.start_server(accept, HOST, 0)
    with socket.create_connection(server.sockets[0].getsockname()):
        writer = await accepted
        sock = writer.get_extra_info("socket")
    await asyncio.sleep(0)  # one turn, in which the FIN is read
    writer.write(b"x")  # the answer to it is the reset
    await until(lambda: not is_connected(sock), "the reset")
    await _StreamWriter(writer).close()
    assert writer.transport.is_closing()
    await until(lambda: sock.fileno() == -1, "the socket is closed")
    server.close()
    await server.wait_closed()


def is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
