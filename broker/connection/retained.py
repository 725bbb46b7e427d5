"""A retained message once for each subscription, on a broker that does not say which one it is for.

A broker sends what is retained again for each SUBSCRIBE ([MQTT-3.3.1-6]), so two overlapping
filters bring it twice; and without MQTT 5's identifiers each of these copies looks as if it were
for both. Which filters still lack their copy is known from what was asked on this connection.

Not where the broker was seen to send nothing again (amqtt as it comes): it sets RETAIN on what it
had queued, too, and each of these is an event.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dskity.broker.connection.subscriptions import Subscription

# Topics whose copy is remembered, of some 250 bytes each: 16 MB. What comes
# again after it was forgotten is handled again.
MOST = 65_536


class Asked:
    """The SUBSCRIBE packets of one connection, numbered."""

    def __init__(self) -> None:
        self.number = 0
        self._last: dict[str, int] = {}
        self._times: dict[str, int] = {}

    def note(self, filter: str) -> None:
        """One leaves for `filter`."""
        self.number += 1
        self._last[filter] = self.number
        self._times[filter] = self._times.get(filter, 0) + 1

    def clear(self) -> None:
        """A connection begins."""
        self.number = 0
        self._last.clear()
        self._times.clear()

    def last(self, filter: str) -> int:
        """The number of the last one for `filter`, 0 for none."""
        return self._last.get(filter, 0)

    def times(self, filter: str) -> int:
        """How many there were for `filter`."""
        return self._times.get(filter, 0)


class Surplus(Enum):
    """The verdict on a copy that everybody has already."""

    SURPLUS = "surplus"


SURPLUS: Final = Surplus.SURPLUS


class _Seen(NamedTuple):
    payload: int
    copies: int
    number: int


class RetainedCopies:
    """Assigns the retained copies of one connection to its subscriptions.

    The first copy is for all that match; what comes then is for those that were subscribed to
    since: the others have the value already, or a newer one live. A copy for which nobody is left
    is surplus where it is equal to the one before. A different one, or one more than was asked
    for, is a message of its own.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def assign(
        self, topic: str, payload: bytes, matching: Sequence[Subscription]
    ) -> Sequence[Subscription] | Surplus:
        """Which of the subscriptions that match a copy on `topic` is for."""
        asked, mark = self._asked, hash(payload)
        before = self._seen.get(topic)
        copies = 1 if before is None else before.copies + 1
        self._remember(topic, _Seen(mark, copies, asked.number))
        if before is None:
            return matching
        lacking = [entry for entry in matching if asked.last(entry.filter) > before.number]
        if lacking:
            return lacking
        due = sum(asked.times(entry.filter) for entry in matching)
        return SURPLUS if mark == before.payload and copies <= due else matching

    def _remember(self, topic: str, seen: _Seen) -> None:
        self._seen[topic] = seen
        self._seen.move_to_end(topic)
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)
