"""Connections over TCP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dskity.bus.base import tasks

if TYPE_CHECKING:
    from dskity.broker.engines.builtin.connection import Connection
    from dskity.broker.engines.builtin.listener import Listener

CLOSE_WITHIN = 1.0
"""Seconds in which a client has to take what was written to it before the connection closes."""
MAX_UNREAD = 1024 * 1024
"""Bytes of answers that a client leaves unread before nothing more is read from it."""
_SOCKET, _ANSWERS = "asked", "unread answers"


class TcpClient(asyncio.Protocol):
    """One socket; an `Output` too."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._connection: Connection | None = None
        self._held: set[str] = set()
        self._ending = False
        self.writable = True

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # of a TCP server
        self._transport = transport
        peer = transport.get_extra_info("peername") or ("?",)
        self._connection = self._listener.accepted(self, str(peer[0]), transport.abort)

    def data_received(self, data: bytes) -> None:
        assert self._connection is not None  # noqa: S101  # made before
        if self._ending:
            return  # thrown away; see `close`
        try:
            self._connection.feed(data)
        except Exception as error:  # noqa: BLE001  # an error of ours ends this connection alone
            tasks.report("broker connection", error)
            self.abort()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self._read(_ANSWERS, on=True)
        if self._connection is not None:
            self._connection.writable_again()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # it is gone either way
        if self._connection is not None:
            self._listener.gone(self, self._connection)

    # See `Output`

    def write(self, data: bytes) -> None:
        if self._transport is None or self._ending or self._transport.is_closing():
            return
        self._transport.write(data)
        if not self.writable and self._transport.get_write_buffer_size() > MAX_UNREAD:
            self._read(_ANSWERS, on=False)

    def hold(self, on: bool) -> None:
        self._read(_SOCKET, on=not on)

    def close(self) -> None:
        """The client is to close first: a socket that is closed with something unread resets the
        connection, and the client loses what was written last, such as the reason. One that
        does not close soon, or reads nothing, is cut off."""
        transport = self._transport
        if transport is None or self._ending or transport.is_closing():
            return
        self._read(*self._held, on=True)
        self._ending = True
        if self._listener.shut:
            transport.close()
        else:
            transport.write_eof()
        asyncio.get_running_loop().call_later(CLOSE_WITHIN, transport.abort)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _read(self, *reasons: str, on: bool) -> None:
        """Read while no part asks to wait."""
        if self._transport is None or self._ending or self._transport.is_closing():
            return
        held = bool(self._held)
        if on:
            self._held.difference_update(reasons)
        else:
            self._held.update(reasons)
        if held and not self._held:
            self._transport.resume_reading()
        elif self._held and not held:
            self._transport.pause_reading()
