"""Where a reply may go: its address comes from the requester, and gives it no rights.

Otherwise whoever may publish to one handler could have it publish, with the runtime's rights, to
any topic: an actuator's, or `{root}/commands/execute`. So a reply never goes into `{root}/` outside
`{root}/reply/`, nor to a topic that this runtime handles or sends commands on. A list of filters
(`bus.reply_topics`) narrows it to those; `{root}/reply/` is always allowed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from dskity.bus import topics
from dskity.bus.base.clock import Clock
from dskity.bus.base.text import escape
from dskity.bus.base.throttled_log import Pace
from dskity.bus.counters import Counters

_logger = logging.getLogger(__name__)


class Replying:
    """The rule of one connection. `allowed` None allows every topic that the rest does."""

    def __init__(
        self, root: str, allowed: Iterable[str] | None, counters: Counters, clock: Clock
    ) -> None:
        self._root = f"{root}/"
        self._replies = f"{root}/reply/"
        self._allowed = None if allowed is None else tuple(topics.parse(f).filter for f in allowed)
        self._never: set[str] = set()
        self._counters = counters
        self._pace = Pace(clock)

    def protect(self, filter: str) -> None:
        """Have no reply go to what matches this filter."""
        self._never.add(topics.parse(filter).filter)

    def refuses(self, topic: str, handled: Callable[[str], bool]) -> bool:
        """Whether no reply may go there; counted, and logged once a minute. `handled` tells
        whether this runtime handles a topic."""
        fault = self._fault(topic, handled)
        if fault is None:
            return False
        self._counters.replies_refused += 1
        if self._pace.is_due():
            _logger.warning(
                "no reply goes to %s: %s; use a response topic below %s (refused so far: %d)",
                escape(topic),
                fault,
                self._replies,
                self._counters.replies_refused,
            )
        return True

    def _fault(self, topic: str, handled: Callable[[str], bool]) -> str | None:
        if topic.startswith(self._replies):
            return None
        if f"{topic}/".startswith(self._root):
            return "it is reserved for the topics of DSkity"
        if any(topics.matches(filter, topic) for filter in self._never):
            return "commands are sent to it"
        if handled(topic):
            return "this runtime handles messages on it"
        if self._allowed is None or any(topics.matches(each, topic) for each in self._allowed):
            return None
        return "bus.reply_topics does not allow it"
