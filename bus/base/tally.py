"""A count of an event that should not happen, logged once a minute."""

from __future__ import annotations

import logging

from dskity.bus.base.clock import Clock
from dskity.bus.base.text import escape
from dskity.bus.base.throttled_log import Pace


class Tally:
    """`what` is the sentence of the warning; `{count}` is the number of messages since the last
    warning, `{topic}` the topic of the latest one."""

    def __init__(self, log: logging.Logger, clock: Clock, what: str) -> None:
        self._log = log
        self._pace = Pace(clock)
        self._what = what
        self._count = 0

    def add(self, topic: str) -> None:
        """One more message; the first one is told at once."""
        self._count += 1
        if self._pace.is_due():
            self._log.warning("%s", self._what.format(count=self._count, topic=escape(topic)))
            self._count = 0
