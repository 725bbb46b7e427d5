"""The bound on messages and bytes between the wire and the handlers, and how it reaches back.

At the bound QoS ≥ 1 stays with the broker. What happens to QoS 0, which nobody keeps, is a choice:
`wait` stops reading, so that the sender's TCP waits, and `drop_oldest` sheds old messages for new.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal, TypeAlias

Overload: TypeAlias = Literal["wait", "drop_oldest"]
_RESUME_AT = 0.5  # of the bound: resuming at once would stop and start the reader every message


class InFlightLimit:
    """Counts what is in flight; over the bound the wire is paused until half of it is done.

    The bound is soft by what the wire had already read.
    """

    def __init__(
        self,
        max_messages: int = 1000,
        max_bytes: int = 64 * 1024 * 1024,
        overload: Overload = "wait",
    ) -> None:
        self.messages = 0
        self.bytes = 0
        self.pauses = 0
        self.paused = False
        self.sheds = overload == "drop_oldest"
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self._pause: Callable[[], None] = lambda: None
        self._resume: Callable[[], None] = lambda: None

    @classmethod
    def boundless(cls) -> InFlightLimit:
        """One that only counts."""
        return cls(sys.maxsize, sys.maxsize)

    def bind(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """What to call when the bound is reached, and when there is room again."""
        self._pause, self._resume = pause, resume

    def enter(self, size: int, qos: int) -> bool:
        """A message of `size` bytes came off the wire; whether an old one must be shed for it."""
        self.messages += 1
        self.bytes += size
        if self.messages < self.max_messages and self.bytes < self.max_bytes:
            return False
        if self.sheds and qos == 0:
            return self.messages > self.max_messages or self.bytes > self.max_bytes
        if not self.paused:
            self.paused = True
            self.pauses += 1
            self._pause()
        return False

    def leave(self, size: int) -> None:
        """Its handler is done with it."""
        self.messages -= 1
        self.bytes -= size
        if self.paused and (
            self.messages <= self.max_messages * _RESUME_AT
            and self.bytes <= self.max_bytes * _RESUME_AT
        ):
            self.paused = False
            self._resume()
