"""The window of publishes that the broker has not acknowledged ([MQTT-3.3.4-7])."""

from __future__ import annotations

import asyncio

from dskity.bus.errors import NotConnected


class Window:
    """Places of one connection, given in the order in which they are asked for.

    The end of the connection is told in that order too, to all at once: the outbox takes what they
    have then, and must not find a later message first. `ended` is its reason, None while connected.
    """

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(0)
        self._asking = 0
        self.ended: str | None = "not connected yet"

    def begin(self, places: int) -> None:
        """Connected; so many may be on their way at once."""
        self.ended = None
        self._places = asyncio.Semaphore(places)

    def end(self, reason: str) -> None:
        """The connection is gone. Tell those who have a place before; here those who ask for one
        learn it."""
        self.ended = reason
        for _ in range(self._asking):
            self._places.release()

    async def enter(self) -> None:
        """Wait for a place; `NotConnected` at the end."""
        if self.ended is not None:
            await asyncio.sleep(0)  # behind those who were here before
            raise NotConnected(self.ended)
        self._asking += 1
        try:
            await self._places.acquire()
        finally:
            self._asking -= 1
        if self.ended is not None:
            raise NotConnected(self.ended)

    def leave(self) -> None:
        """Give the place back."""
        self._places.release()
