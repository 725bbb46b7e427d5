"""A handler that sees requests and does not answer them.

A route answers what has a reply topic, with nothing where the handler returns nothing. For a bridge
that would be wrong: whoever is on the other side answers.
"""

from __future__ import annotations

from collections.abc import Mapping

from dskity.bus.consumer import Consumer
from dskity.bus.delivery import Delivery
from dskity.bus.message import Message


class _Seen(Delivery):
    """A delivery whose message is whole, and whose reply topic the route does not see."""

    __slots__ = ("_whole",)

    def __init__(self, whole: Delivery) -> None:
        super().__init__(
            whole.topic, whole.payload, whole.qos, whole.retain, whole.duplicate, None, whole.done
        )
        self._whole = whole

    def message(self) -> Message:
        return self._whole.message()


class Onlooker:
    """A `Consumer` in front of a route."""

    def __init__(self, route: Consumer) -> None:
        self._route = route

    @property
    def qos(self) -> int:
        """See `Consumer`."""
        return self._route.qos

    @property
    def group(self) -> str | None:
        """See `Consumer`."""
        return self._route.group

    def open(self) -> None:
        """See `Consumer`."""
        self._route.open()

    def accept(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        """See `Consumer`."""
        self._route.accept(_Seen(delivery), captures)

    async def drain(self) -> None:
        """See `Consumer`."""
        await self._route.drain()
