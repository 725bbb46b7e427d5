"""Whether the broker is there: the bus's side of `TransportEvents`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from dskity.bus.base import tasks
from dskity.bus.errors import NotConnected

if TYPE_CHECKING:
    from dskity.bus.transport import Capabilities


class Watcher(Protocol):
    """Is told, synchronously, when the connection comes or goes."""

    def __call__(self, connected: bool, *, resumed: bool) -> None:  # a state
        """`resumed` is MQTT's session present; False where the connection goes."""
        ...


class Link:
    """The connection's present state, and those who wait for it or watch it."""

    def __init__(self) -> None:
        self.connections = 0
        self.reason = "not started"
        self._up = asyncio.Event()
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` at each change from now on."""
        self._watchers.append(watcher)

    def connected(self, capabilities: Capabilities, *, resumed: bool) -> None:
        """See `TransportEvents`."""
        del capabilities  # the transport keeps them
        self.connections += 1
        self.reason = ""
        self._up.set()
        self._tell(True, resumed=resumed)

    def trouble(self, reason: str) -> None:
        """See `TransportEvents`."""
        self.reason = reason

    def disconnected(self, reason: str) -> None:
        """See `TransportEvents`."""
        self.reason = reason
        self._up.clear()
        self._tell(False, resumed=False)

    def _tell(self, connected: bool, *, resumed: bool) -> None:  # a state
        """The others are told, too, where a watcher fails."""
        for watcher in self._watchers:
            tasks.call("link watcher", watcher, connected, resumed=resumed)

    async def up(self) -> None:
        """Return when connected, however long that takes."""
        await self._up.wait()

    async def wait_connected(self, timeout: float) -> None:
        """Return when connected; `NotConnected`, with the reason, after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._up.wait()
        except TimeoutError as error:
            raise NotConnected(f"not connected to the broker: {self.reason}") from error
