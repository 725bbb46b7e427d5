"""The last value of a key in the event of its end (`kv.events.value`), and its bounds in bytes.

Events wait in memory while the broker is away, and here each holds a value: so all that wait have a
bound beside that of their number. What is over a bound is left out; its event is published.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from dskity.bus.base.jsontext import NotJson
from dskity.bus.bus import Bus
from dskity.bus.errors import InvalidPayload
from dskity.bus.message import Message
from dskity.modules.kv.events import event_of, event_with_value
from dskity.modules.kv.store import StoreChange
from dskity.modules.kv.values import Frozen

MAX_VALUE: Final = 256 * 1024
"""Bytes of a value that an event carries. A broker may take less; one with MQTT 5 says so."""
MAX_WAITING: Final = 16 * 1024 * 1024
"""Bytes of all values whose events wait for the broker."""
_HEADER = 128
"""Bytes of a PUBLISH beside topic and payload: MQTT 5's content type is 31 of them."""


class Carrying:
    """The end of a key, with its value; it counts among those that wait for as long as it is held,
    whether its event is published or dropped."""

    __slots__ = ("_waiting", "change", "size")

    def __init__(self, change: StoreChange, size: int, waiting: LastValues) -> None:
        self.change = change
        self.size = size
        self._waiting = waiting
        waiting.size += size

    def __del__(self) -> None:
        self._waiting.size -= self.size


Told: TypeAlias = StoreChange | Carrying
"""What waits for the broker."""


class LastValues:
    """Takes the changes of a store that tells values; `put` is given what is to be published."""

    def __init__(self, bus: Bus, put: Callable[[Told], None]) -> None:
        self.size = 0
        """Bytes of the values that wait."""
        self._bus = bus
        self._put = put

    def take(self, change: StoreChange) -> None:
        """A listener of the store."""
        if change.kind == "set" or change.value is None:
            self._put(change)
            return
        size = size_of(change.value)
        if size > MAX_VALUE or self.size + size > MAX_WAITING:
            self._put(change)
        else:
            self._put(Carrying(change, size, self))

    def message(self, told: Carrying, at: float) -> Message:
        """The event with its value, or without one where the broker would not take it."""
        try:
            message = self._bus.event_message(event_with_value(told.change), at)
        except (NotJson, InvalidPayload):  # too deep inside an event; or written by others
            return self._bus.event_message(event_of(told.change), at)
        limit = self._bus.capabilities.max_packet
        size = len(message.payload) + len(message.topic.encode()) + _HEADER
        if limit is not None and size > limit:
            return self._bus.event_message(event_of(told.change), at)
        return message


def size_of(value: Frozen) -> int:
    """Bytes of a frozen value, more or less."""
    return len(value) if isinstance(value, str | bytes) else 8


def carried(value: Frozen) -> Frozen:
    """A frozen value in a change, where None means that none is told."""
    return b"null" if value is None else value
