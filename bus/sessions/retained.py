"""The retained messages of a broker: the last one of each topic (MQTT 5 spec 3.3.1.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic

from dskity.bus import topics
from dskity.bus.base.clock import Clock
from dskity.bus.sessions.bounds import Bounds
from dskity.bus.sessions.session import M


class Retained(Generic[M]):
    """Kept until cleared or expired, within `bounds`; `refused` counts what did not fit."""

    def __init__(self, clock: Clock, bounds: Bounds[M] | None) -> None:
        self._clock = clock
        self._bounds = bounds
        self._kept: dict[str, tuple[M, float | None]] = {}
        self._size = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, message: M, due: float | None) -> bool:
        """Keep it instead of an earlier one, or clear that where the payload is empty. False where
        there is no room for it; the earlier one is then gone too, for it is not the last."""
        self._drop(message.topic)
        if not message.payload:
            return True
        if not self._fits(message):
            self.refused += 1
            return False
        self._kept[message.topic] = (message, due)
        self._size += self._measure(message)
        return True

    def matching(self, filter: str) -> Iterator[tuple[M, float | None]]:
        """Those for a new subscription to `filter`; what has expired is dropped on the way."""
        now = self._clock.monotonic()
        wild = "+" in filter or "#" in filter
        for topic in tuple(self._kept) if wild else (filter,):
            if wild and not topics.matches(filter, topic):
                continue
            found = self._kept.get(topic)
            if found is None:
                continue
            if found[1] is not None and found[1] <= now:
                self._drop(topic)
            else:
                yield found

    def _fits(self, message: M) -> bool:
        bounds = self._bounds
        if bounds is None or self._has_room(bounds, message):
            return True
        self._drop_expired()
        return self._has_room(bounds, message)

    def _has_room(self, bounds: Bounds[M], message: M) -> bool:
        size = self._size + bounds.measure(message)
        return len(self._kept) < bounds.retained and size <= bounds.retained_bytes

    def _drop_expired(self) -> None:
        now = self._clock.monotonic()
        expired = [t for t, (_, due) in self._kept.items() if due is not None and due <= now]
        for topic in expired:
            self._drop(topic)

    def _drop(self, topic: str) -> None:
        dropped = self._kept.pop(topic, None)
        if dropped is not None:
            self._size -= self._measure(dropped[0])

    def _measure(self, message: M) -> int:
        return 0 if self._bounds is None else self._bounds.measure(message)
