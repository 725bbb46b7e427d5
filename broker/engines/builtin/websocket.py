"""Connections over WebSocket, for browsers."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

from dskity.broker.engines.builtin import websocket_frames as frames
from dskity.broker.engines.builtin.tcp import TcpClient
from dskity.broker.engines.builtin.websocket_frames import BadWebSocket, Handshake, Unframed
from dskity.broker.engines.origin import Origins
from dskity.bus.base.clock import SYSTEM_CLOCK
from dskity.bus.base.throttled_log import Allowance

if TYPE_CHECKING:
    from dskity.broker.engines.builtin.listener import Listener

log = logging.getLogger(__name__)

MAX_HEAD = 16 * 1024
"""Bytes of the head of a handshake."""
_END = b"\r\n\r\n"
_PROTOCOL_ERROR = 1002


class WebSocketClient(TcpClient):
    """One WebSocket: a handshake, then MQTT in binary frames."""

    def __init__(self, listener: Listener, origins: Origins, allowance: Allowance) -> None:
        super().__init__(listener)
        self._origins = origins
        self._allowance = allowance
        self._head: bytes | None = b""
        self._unframed = Unframed()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        try:
            if self._head is not None:
                data = self._shake(self._head + data)
            self._take(data)
        except BadWebSocket as fault:
            self._give_up(fault)

    def _shake(self, head: bytes) -> bytes:
        """What came behind the handshake, once it is complete."""
        head, end, rest = head.partition(_END)
        if len(head) > MAX_HEAD:
            raise BadWebSocket("a head of more than 16 KiB", "431 Request Header Fields Too Large")
        if not end:
            self._head = head
            return b""
        shake = Handshake.parse(head)
        hosts = shake.headers.get("host", [])
        fault = self._origins.refusal(
            shake.headers.get("origin", []), hosts[0] if len(hosts) == 1 else None
        )
        if fault is not None:
            self._complain(fault)
            raise BadWebSocket(fault, "403 Forbidden")
        super().write(shake.answer())
        self._head = None
        return rest

    def _take(self, data: bytes) -> None:
        """All MQTT of one read at once, so that the turn of a client is no longer with a frame for
        each packet; and one Pong, to the last Ping (RFC 6455 5.5.3)."""
        if self._head is not None:
            return
        came: list[bytes] = []
        ping: bytes | None = None
        closed = False
        try:
            for opcode, payload in self._unframed.feed(data):
                if opcode == frames.CLOSE:
                    closed = True
                    break
                if opcode == frames.PING:
                    ping = payload
                elif opcode != frames.PONG:
                    came.append(payload)
        finally:
            if ping is not None:
                super().write(frames.frame(ping, frames.PONG))
            if came:
                super().data_received(b"".join(came))
        if closed:
            self.close()

    def _give_up(self, fault: BadWebSocket) -> None:
        if self._head is not None:
            super().write(frames.refusal(fault.status, str(fault)))
            super().close()
        else:
            super().write(frames.closing(_PROTOCOL_ERROR))
            super().close()

    def _complain(self, fault: str) -> None:
        more = self._allowance.take()
        if more is not None and self._transport is not None:
            peer = self._transport.get_extra_info("peername")
            log.warning("a WebSocket from %s is refused: %s%s", peer, fault, more)

    # See `Output`

    def write(self, data: bytes) -> None:
        super().write(frames.frame(data))

    def close(self) -> None:
        if self._head is None:
            super().write(frames.closing())
        super().close()


async def open_websocket(
    listener: Listener, sockets: list[socket.socket], origins: Origins
) -> None:
    """Accept MQTT over WebSocket on these, from whom `origins` lets in."""
    loop = asyncio.get_running_loop()
    allowance = Allowance(SYSTEM_CLOCK)
    for sock in sockets:
        listener.add(
            await loop.create_server(
                lambda: WebSocketClient(listener, origins, allowance), sock=sock
            )
        )
