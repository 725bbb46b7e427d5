"""Who of the others is there: one verdict from three signals. Values in, values out, no I/O.

The signals are the heartbeat's time to live, the will of the runtime that keeps an entry, and the
goodbye (a cleared entry). A will is believed after a grace, so a runtime that comes back at once
was never gone. Who is gone is not live for anybody at that moment; but one runtime says so:

* Every runtime ranks the live ones by a hash, without those it judges. The first speaks at once.
* The next speaks a grace later, should the entry still be there then: a rank may be held by a
  runtime that has died a moment ago too.

Times are monotonic seconds that the caller passes in.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dskity.modules.registry.entry import Record

Key: TypeAlias = tuple[str, str]
Cause: TypeAlias = Literal["registered", "stopped", "lost", "expired", "deregistered"]

MAX_ENTRIES = 50_000
"""Entries and runtimes that are remembered, each; more are ignored."""
_GONE: dict[str, Cause] = {"lost": "lost", "stopped": "stopped"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said: an instance came (`registered`) or went (all other causes)."""

    record: Record
    cause: Cause


@dataclass(slots=True)
class _Known:
    record: Record
    deadline: float
    believed: bool = True
    """Whether it counts as live: a retained entry that had lapsed when it came does not."""
    ended: tuple[Cause, float] | None = None

    def holds(self, record: Record) -> bool:
        """Whether this is the same life, and it has not ended."""
        same = self.record.instance.registered_at == record.instance.registered_at
        return same and self.believed and self.ended is None


class Presence:
    """The entries of all others, as one runtime (`me`) has heard of them."""

    def __init__(self, me: str, grace: float) -> None:
        self._me = me
        self._grace = grace
        self._known: dict[Key, _Known] = {}
        self._gone: dict[str, tuple[Cause, float]] = {}
        self._arrived: dict[Key, Verdict] = {}

    def heard(self, record: Record, remaining: float | None, now: float, *, retained: bool) -> None:
        """An entry came. `remaining` seconds are left of its time to live (None: it has none);
        `retained` marks one that lay with the broker, which is no sign of life."""
        known = self._known.get(record.key)
        if known is None and len(self._known) >= MAX_ENTRIES:
            return
        if not retained:
            self._gone.pop(record.runtime, None)
            if known is None and not record.runtime:
                self._arrived[record.key] = Verdict(record, "registered")
        left = math.inf if remaining is None else remaining
        if retained and known is not None and known.holds(record):
            known.deadline = max(known.deadline, now + left)
        elif left > 0:
            self._known[record.key] = _Known(record, now + left)
        else:
            self._known[record.key] = _Known(record, now + self._grace, believed=False)

    def left_over(
        self, record: Record, remaining: float | None, now: float, *, retained: bool
    ) -> None:
        """An entry of a former life of ours came: that life was lost. One that is not retained may
        be an echo of what we have just ended ourselves; then it is cleared within the grace."""
        cause: Cause = "expired" if remaining is not None and remaining <= 0 else "lost"
        since = now if retained else now + self._grace
        if retained or record.key not in self._known:
            self._known[record.key] = _Known(record, math.inf, believed=False, ended=(cause, since))

    def cleared(self, service: str, instance: str) -> None:
        """An entry was cleared: by its runtime, which has said why, or by a device."""
        known = self._known.pop((service, instance), None)
        self._arrived.pop((service, instance), None)
        if known is not None and not known.record.runtime and known.ended is None:
            self._arrived[known.record.key] = Verdict(known.record, "deregistered")

    def runtime(self, runtime: str, state: str, now: float) -> None:
        """A runtime's state was published."""
        cause = _GONE.get(state)
        if cause is None:
            self._gone.pop(runtime, None)
        elif runtime != self._me and len(self._gone) < MAX_ENTRIES:
            self._gone[runtime] = (cause, now)

    def reconnected(self, now: float) -> None:
        """We could hear nothing for a while, so silence proved nothing: every term starts anew."""
        for known in self._known.values():
            if known.believed and known.deadline < math.inf:
                ttl = known.record.instance.ttl_seconds
                known.deadline = max(known.deadline, now + ttl)
        for runtime, (cause, _) in self._gone.items():
            self._gone[runtime] = (cause, now)

    def live(self) -> Iterator[Record]:
        """The entries of those who are there."""
        for known in self._known.values():
            if known.believed and known.ended is None:
                yield known.record

    def due(self, now: float) -> list[Verdict]:
        """Judge, and return what is ours to say now. It comes again until `said`."""
        for known in self._known.values():
            if known.ended is None:
                known.ended = self._end(known, now)
        ended = [known for known in self._known.values() if known.ended is not None]
        runtimes = self._live_runtimes() if ended or self._arrived else set()
        verdicts = [v for v in self._arrived.values() if self._rank(v.record, runtimes) == 0]
        self._arrived = {v.record.key: v for v in verdicts}
        for known in ended:
            assert known.ended is not None  # noqa: S101  # just selected
            cause, since = known.ended
            if now >= since + self._rank(known.record, runtimes) * self._grace:
                verdicts.append(Verdict(known.record, cause))
        return verdicts

    def said(self, verdict: Verdict) -> None:
        """A verdict is published."""
        if self._arrived.get(verdict.record.key) == verdict:
            del self._arrived[verdict.record.key]
        elif (known := self._known.get(verdict.record.key)) and known.record is verdict.record:
            del self._known[verdict.record.key]

    def _end(self, known: _Known, now: float) -> tuple[Cause, float] | None:
        if now >= known.deadline:
            return "expired", known.deadline
        gone = self._gone.get(known.record.runtime)
        if gone is not None and known.believed and now >= gone[1] + self._grace:
            return gone[0], gone[1] + self._grace
        return None

    def _live_runtimes(self) -> set[str]:
        """We, and those who keep a live entry; one whose will was sent does not count."""
        runtimes = {record.runtime for record in self.live()} - self._gone.keys() - {""}
        return runtimes | {self._me}

    def _rank(self, record: Record, runtimes: set[str]) -> int:
        """Our place among those who could speak for the record's runtime."""
        if record.runtime == self._me:
            return 0
        others = sorted(runtimes - {record.runtime}, key=lambda one: _hash(one, record.runtime))
        return others.index(self._me)


def _hash(runtime: str, about: str) -> bytes:
    return hashlib.sha256(f"{runtime}\n{about}".encode()).digest()
