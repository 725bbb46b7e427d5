"""A warning that repeats itself is written once a minute."""

from __future__ import annotations

import logging

from dskity.bus.base.clock import Clock

EVERY_SECONDS = 60.0
_MOST_SOURCES = 1_000  # that are remembered; above that the log may say something again sooner


class Pace:
    """Lets one line through a minute, for each of its sources."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}

    def is_due(self, source: str = "") -> bool:
        """Whether to write now what comes from `source`; then the next time is in a minute."""
        now = self._clock.monotonic()
        if now < self._due.get(source, now):
            return False
        if len(self._due) >= _MOST_SOURCES:
            self._due.clear()
        self._due[source] = now + EVERY_SECONDS
        return True


class Allowance:
    """Lets some lines through a minute, and says with the next one how many it has held back: what
    strangers cause must not fill a disk."""

    def __init__(self, clock: Clock, most: int = 20) -> None:
        self._clock = clock
        self._most = most
        self._until = 0.0
        self._left = 0
        self._held_back = 0

    def take(self) -> str | None:
        """What to add to the line that is written now; None where it is not to be written."""
        now = self._clock.monotonic()
        if now >= self._until:
            self._until, self._left = now + EVERY_SECONDS, self._most
        if self._left == 0:
            self._held_back += 1
            return None
        self._left -= 1
        held_back, self._held_back = self._held_back, 0
        return f" ({held_back} lines like this one were not logged)" if held_back else ""


class ThrottledLog:
    """The log of an operation that may fail again and again."""

    def __init__(self, log: logging.Logger, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._text = ""
        self._due = 0.0

    def warn(self, text: str) -> None:
        """Write it, unless the same was written within the last minute."""
        now = self._clock.monotonic()
        if text != self._text or now >= self._due:
            self._text, self._due = text, now + EVERY_SECONDS
            self._log.warning(text)

    def settle(self) -> None:
        """It works again; the next failure is news."""
        self._text = ""
