"""A warning that repeats itself is written once a minute."""

from __future__ import annotations

import logging

from dskity.bus.clock import Clock

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


class Complaints:
    """The log of one thing that may fail again and again."""

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
