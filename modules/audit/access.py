"""What the APIs report of their calls: refused ones, and those that need a right.

A wrong token is counted, logged once a minute a source (never the token itself), and answered the
later, the more of them came from that source. A call with a good token never waits. Denied calls,
and those that change something inside `{root}/`, go to the audit log.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from typing import Any

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.text import escape
from dskity.bus.errors import Unauthenticated
from dskity.modules.audit.call import Call
from dskity.modules.audit.counters import AccessCounters
from dskity.modules.audit.file import AuditFile
from dskity.modules.audit.sources import TRIES, Sources
from dskity.modules.rights import Principal, Right

_MOST_WAITING = 256  # answers to wrong tokens; what is above it is answered at once
_LONGEST_TEXT = 1024  # characters of a path or topic in the audit log
_READS = ("kv/get", "kv/keys", "services/", "dead-letters/list", "dead-letters/show")
_logger = logging.getLogger(__name__)


class Access:
    """`root` is the bus's; without an `audit` file there are counters and log lines alone."""

    def __init__(
        self,
        *,
        root: str = "dskity",
        audit: AuditFile | None = None,
        counters: AccessCounters | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.counters = counters or AccessCounters()
        self.audit = audit
        self._inside = f"{root}/"
        self._reads = tuple(f"{root}/{topic}" for topic in _READS)
        self._clock = clock
        self._wrong, self._missing = Sources(), Sources()
        self._waiting = 0

    def watched(self, caller: Principal, call: Call) -> Principal:
        """The caller, whose needs for rights in this call are heard of."""
        return caller.watched(partial(self._needed, caller.name, call))

    def may_try(self, peer: str | None) -> bool:
        """Whether an open path looks at a token from there: else it would be the place to guess
        one, for no answer is delayed there."""
        return self._wrong.failures(peer, self._clock.monotonic()) < TRIES

    async def refused(self, error: Unauthenticated, call: Call) -> None:
        """A call that the guard refused; returns when it may be answered."""
        delay = self.note_refused(error, call)
        if not delay or self._waiting >= _MOST_WAITING:
            return
        self._waiting += 1
        try:
            await self._clock.sleep(delay)
        finally:
            self._waiting -= 1

    def note_refused(self, error: Unauthenticated, call: Call) -> float:
        """Count, log and record it; the seconds that its answer takes."""
        now = self._clock.monotonic()
        delay = 0.0
        if error.wrong_token:
            self.counters.wrong_tokens += 1
            delay = self._wrong.failed(call.peer, now)
            if count := self._wrong.tell(call.peer, now):
                self._warn(call, count)
                self._record(call, None, "wrong token", count=count)
        else:
            self.counters.unauthenticated += 1
            if count := self._missing.tell(call.peer, now):
                self._record(call, None, "no token", count=count)
        return delay

    @staticmethod
    def _warn(call: Call, count: int) -> None:
        _logger.warning(
            "wrong token from %s for %s %s (refused from there since the last such line: %d)",
            escape(call.peer or "an unknown address"),
            escape(call.method[:_LONGEST_TEXT]),
            escape(call.path[:_LONGEST_TEXT]),
            count,
        )

    def _needed(self, caller: str, call: Call, right: Right, topic: str, allowed: bool) -> None:
        if not allowed:
            self.counters.denied += 1
            self._record(call, caller, "denied", right=right, topic=topic[:_LONGEST_TEXT])
        elif right == "publish" and self._is_privileged(topic):
            self.counters.privileged += 1
            self._record(call, caller, "allowed", right=right, topic=topic[:_LONGEST_TEXT])

    def _is_privileged(self, topic: str) -> bool:
        return topic.startswith(self._inside) and not topic.startswith(self._reads)

    def _record(self, call: Call, caller: str | None, verdict: str, **more: Any) -> None:
        if self.audit is None:
            return
        self.audit.write(
            {
                "time": datetime.fromtimestamp(self._clock.time(), UTC).isoformat(),
                "caller": caller,
                "peer": call.peer,
                "method": call.method[:_LONGEST_TEXT],
                "path": call.path[:_LONGEST_TEXT],
                "verdict": verdict,
                "request_id": call.request_id,
                **more,
            }
        )
