"""Whether a store's server can be used: for readiness, and for the log once a minute."""

from __future__ import annotations

import logging

from dskity.bus.base.clock import Clock
from dskity.bus.base.throttled_log import ThrottledLog

SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds between two attempts; each failure in a row doubles the pause."""

log = logging.getLogger(__name__)


class Outage:
    """Told of each attempt by those that try again for ever; `reason` is empty while all is well.

    Several may try, each under a `name` of its own: it is well once each has succeeded.
    """

    def __init__(self, server: str, clock: Clock) -> None:
        self._server = server
        self._throttled = ThrottledLog(log, clock)
        self._reasons: dict[str, str] = {}
        self._pauses: dict[str, float] = {}
        self._said = ""

    @property
    def reason(self) -> str:
        """Why it cannot be used."""
        return next(iter(self._reasons.values()), "")

    def failed(self, name: str, reason: str) -> float:
        """An attempt failed; the seconds until the next one."""
        self._reasons[name] = reason
        # The first reason stands for the outage: later ones differ by what was under way.
        self._said = self._said or f"{reason}; trying again"
        self._throttled.warn(self._said)
        pause = self._pauses.get(name, SHORTEST_PAUSE)
        self._pauses[name] = min(2 * pause, LONGEST_PAUSE)
        return pause

    def works(self, name: str) -> None:
        """An attempt succeeded."""
        if self._reasons.pop(name, None) is None:
            return
        self._pauses.pop(name)
        if not self._reasons:
            self._said = ""
            self._throttled.settle()
            log.info("%s is available again", self._server)
