"""Wrong tokens by where they come from: how many, how long the next answer takes, what is told.

A source is an IPv4 address, or the /64 network of an IPv6 address, which is what one host has to
choose from. Memory is bounded: the source that was silent longest is forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from dskity.bus.base.addresses import source_of
from dskity.bus.base.throttled_log import EVERY_SECONDS

MOST_SOURCES = 4096  # some 600 KiB
FORGOTTEN_AFTER = 600.0
"""Seconds without a wrong token, after which a source starts anew."""
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds that the answer to a wrong token takes: each one in a row doubles it."""
TRIES = 10
"""Wrong tokens in a row, after which open paths look at no token of that source."""
_MOST_LINES = 60  # in that time, over all sources: an attacker may have thousands
UNKNOWN = "unknown"
"""The source of calls whose peer the server does not name."""


@dataclass(slots=True)
class Source:
    """What one source has done; `untold` refusals came since the last line about it."""

    failures: int = 0
    last: float = 0.0
    told_until: float = 0.0
    untold: int = 0


class Sources:
    """The sources seen lately. `now` is of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, Source] = OrderedDict()
        self._lines = 0
        self._lines_until = 0.0

    def __len__(self) -> int:
        return len(self._sources)

    def failures(self, peer: str | None, now: float) -> int:
        """How many wrong tokens in a row have come from there."""
        source = self._sources.get(source_of(peer or UNKNOWN))
        return 0 if source is None or now - source.last > FORGOTTEN_AFTER else source.failures

    def failed(self, peer: str | None, now: float) -> float:
        """A wrong token came from there: the seconds that its answer takes."""
        source = self._source(peer)
        if now - source.last > FORGOTTEN_AFTER:
            source.failures = 0
        source.failures += 1
        source.last = now
        return float(min(FIRST_DELAY * 2 ** min(source.failures - 1, 10), LONGEST_DELAY))

    def tell(self, peer: str | None, now: float) -> int:
        """Whether a refusal is to be told of, once a minute a source: how many there were since
        the last time, 0 for not now."""
        source = self._source(peer)
        source.untold += 1
        if now >= self._lines_until:
            self._lines, self._lines_until = 0, now + EVERY_SECONDS
        if now < source.told_until or self._lines >= _MOST_LINES:
            return 0
        self._lines += 1
        source.told_until = now + EVERY_SECONDS
        count, source.untold = source.untold, 0
        return count

    def _source(self, peer: str | None) -> Source:
        name = source_of(peer or UNKNOWN)
        source = self._sources.setdefault(name, Source())
        self._sources.move_to_end(name)
        if len(self._sources) > MOST_SOURCES:
            self._sources.popitem(last=False)
        return source
