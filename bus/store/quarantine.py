"""Messages that may have ended the connection are sent on another one: who is guilty is known
within some round trips, and the connection that everything else goes over stays.

One that is alone on a connection of its own and ends it, four times in a row, is guilty, if each
time the same broker then takes an empty connection, and our main connection has lived through it. A
broker that crashes at random ends that one too, and a broken network lets no empty one in: neither
accuses anybody.

All go together first. When that connection ends, the first that was not acknowledged goes alone,
for a broker works in order; was it innocent, then half as many go together the next time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import TypeAlias

from dskity.bus.errors import DSkityError, NotConnected
from dskity.bus.message import Message

Apart: TypeAlias = Callable[[Sequence[Message]], Awaitable[list[Exception | None]]]
"""`Transport.publish_apart`."""
HITS = 4
"""Connections that one message has to end alone. Each takes a few round trips."""


class Verdict(Enum):
    """What is known of a message after it."""

    PASSED = "the broker has acknowledged it"
    GUILTY = "the broker closes each connection that it is sent on"
    UNKNOWN = "nothing, for there was no such connection, or it was refused"


class Quarantine:
    """`main` is the number of the main connection, None while there is none."""

    def __init__(self, apart: Apart, main: Callable[[], int | None]) -> None:
        self._apart = apart
        self._main = main

    async def examine(self, messages: Sequence[Message]) -> list[Verdict]:
        """One verdict for each. What is left when the main connection goes is unknown."""
        verdicts = [Verdict.UNKNOWN] * len(messages)
        rest, size, hits, alone = list(range(len(messages))), len(messages), 0, False
        while rest:
            main, group = self._main(), rest[: 1 if alone else size]
            outcomes = await self._send([messages[index] for index in group])
            if outcomes is None or main is None:
                break
            for index, outcome in zip(group, outcomes, strict=True):
                if outcome is None:
                    verdicts[index] = Verdict.PASSED
            ended = [i for i, o in zip(group, outcomes, strict=True) if isinstance(o, NotConnected)]
            rest[: len(group)] = ended
            if not ended:
                size = max(1, size // 2) if alone else min(2 * size, len(messages))
                hits, alone = 0, False
            elif len(group) > 1:
                alone = True
            elif not await self._survives(main):
                break
            elif (hits := hits + 1) == HITS:
                verdicts[rest.pop(0)] = Verdict.GUILTY
                hits, alone = 0, False
        return verdicts

    async def _survives(self, main: int) -> bool:
        """Whether the broker is there and well, after it has ended a connection."""
        return await self._send([]) is not None and self._main() == main

    async def _send(self, messages: Sequence[Message]) -> list[Exception | None] | None:
        """The outcomes; None where there is no such connection."""
        try:
            return await self._apart(messages)
        except DSkityError:
            return None
