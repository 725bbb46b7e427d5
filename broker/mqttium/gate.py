"""A gate before each read of mqttium's transports: how reading is paused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mqttium.transport.tcp import TcpTransport
from mqttium.transport.websocket import WebSocketTransport

from dskity.broker.mqttium.private import PushStreamTransport


class Gate:
    """Holds the reader while it is shut; `waiting` is called every `interval` seconds of that.

    It is shut from `shut` until `open`, except while somebody needs it open.
    """

    def __init__(self, interval: float, waiting: Callable[[], None]) -> None:
        self.interval = interval
        self._waiting = waiting
        self._open = asyncio.Event()
        self._open.set()
        self._wanted_shut = False
        self._needed = 0
        self.is_shut = False

    def shut(self) -> None:
        """Hold the reader from its next read on."""
        self._wanted_shut = True
        self._change()

    def open(self) -> None:
        """Let it go on."""
        self._wanted_shut = False
        self._change()

    def need(self, more: int) -> None:
        """One more, or one less (-1), needs it open."""
        self._needed += more
        self._change()

    def _change(self) -> None:
        self.is_shut = self._wanted_shut and not self._needed
        if self.is_shut:
            self._open.clear()
        else:
            self._open.set()

    async def passed(self) -> None:
        """Return when it is open."""
        while self.is_shut:
            try:
                async with asyncio.timeout(self.interval):
                    await self._open.wait()
            except TimeoutError:
                self._waiting()


class GatedPush(PushStreamTransport):
    """Plain TCP: bytes land in mqttium's decoder, 192 KiB at most before the socket is paused."""

    __slots__ = ("gate",)
    gate: Gate

    async def receive(self) -> bool:
        """See `DecoderPushTransport`."""
        if self.gate.is_shut:
            await self.gate.passed()
        return await super().receive()


class GatedTcp(TcpTransport):
    """TLS."""

    __slots__ = ("gate",)
    gate: Gate

    async def read(self, n: int = 65_536) -> bytes:
        """See `PullTransport`."""
        if self.gate.is_shut:
            await self.gate.passed()
        return await super().read(n)


class GatedWebSocket(WebSocketTransport):
    """WebSocket."""

    __slots__ = ("gate",)
    gate: Gate

    async def read(self, n: int = 65_536) -> bytes:
        """See `PullTransport`."""
        if self.gate.is_shut:
            await self.gate.passed()
        return await super().read(n)
