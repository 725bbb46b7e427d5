"""How much may wait for the clients of a broker: a slow one must not fill the memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from dskity.bus.sessions.session import M, Queued, Session


@dataclass(frozen=True, slots=True)
class Bounds(Generic[M]):
    """`messages` and `bytes` hold for each session, `total` bytes for all of them, above which a
    session keeps what is within its `share`. `measure` says how many bytes a message takes.
    `retained` and `retained_bytes` hold for the retained messages, `sessions` for those that are
    kept while their clients are away."""

    measure: Callable[[M], int]
    messages: int = 100_000
    bytes: int = 64 * 1024 * 1024
    total: int = 256 * 1024 * 1024
    share: int = 64 * 1024
    retained: int = 100_000
    retained_bytes: int = 64 * 1024 * 1024
    sessions: int = 10_000


class Meter(Generic[M]):
    """Counts what waits. What does not fit is dropped, counted, and told to `on_drop`."""

    def __init__(self, bounds: Bounds[M], on_drop: Callable[[Session[M]], None]) -> None:
        self._bounds = bounds
        self._on_drop = on_drop
        self.size = 0
        self.dropped = 0

    def takes(self, session: Session[M], message: M) -> int:
        """The bytes that `message` now counts for in `session`; 0 where it is dropped."""
        bounds, size = self._bounds, self._bounds.measure(message)
        after = session.size + size
        crowded = self.size + size > bounds.total and after > bounds.share
        full = crowded or after > bounds.bytes or session.backlog >= bounds.messages
        if full and session.size:  # one message always fits, or the largest could never pass
            session.dropped += 1
            self.dropped += 1
            self._on_drop(session)
            return 0
        session.size = after
        self.size += size
        return size

    def release(self, session: Session[M], queued: Queued[M]) -> None:
        """It waits no more: acknowledged, sent with QoS 0, or expired."""
        session.size -= queued.size
        self.size -= queued.size
        queued.size = 0

    def forget(self, session: Session[M]) -> None:
        """The session has ended, with all that waits in it."""
        self.size -= session.size
        session.size = 0
