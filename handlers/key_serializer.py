"""Order and concurrency of one route: which message may begin, and which waits for which.

Messages of one key are handled one at a time, in the order of arrival; keys run in parallel, at
most `concurrency` at once, and beyond that in turns. While nothing of the route is suspended there
is nothing to look up.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(slots=True)
class KeySerializer(Generic[Item]):
    """`busy` maps the key of each suspended message to those that wait behind it. `blocked` are
    the keys that wait for the concurrency bound, the next one first, each with all its messages:
    one that comes later must not pass those that came before its key was let in."""

    concurrency: int
    busy: dict[Hashable, deque[Item]] = field(default_factory=dict)
    blocked: OrderedDict[Hashable, deque[Item]] = field(default_factory=OrderedDict)

    def must_wait(self, key: Hashable, item: Item, *, nested: bool = False) -> bool:
        """Whether `item` has to wait; if so it is kept. One that is `nested`, for which a busy one
        waits, takes that one's place."""
        waiting = self.busy.get(key)
        if waiting is None:
            if nested and key not in self.blocked:
                return False
            if not self.blocked and len(self.busy) < self.concurrency:
                return False
            waiting = self.blocked.setdefault(key, deque())
        waiting.append(item)
        return True

    def occupy(self, key: Hashable) -> None:
        """The message of `key` has suspended: what comes for the key now waits."""
        self.busy[key] = deque()

    def following(self, key: Hashable) -> tuple[Hashable, Item] | None:
        """The message of `key` has ended: what may begin now, its key occupied already, so that
        nothing of the key that comes later can pass it. A key that goes on lets others have their
        turn first; None where nothing waits."""
        waiting = self.busy.pop(key)
        if waiting:
            self.blocked[key] = waiting
        return self._let_in()

    def let_another(self) -> tuple[Hashable, Item] | None:
        """A place more, for a busy key will keep its own for long; as `following`."""
        self.concurrency += 1
        return self._let_in()

    def take_waiting(self, key: Hashable) -> list[Item]:
        """Take out all that wait behind the busy key."""
        waiting, self.busy[key] = self.busy[key], deque()
        return list(waiting)

    def _let_in(self) -> tuple[Hashable, Item] | None:
        if not self.blocked or len(self.busy) >= self.concurrency:
            return None
        key, waiting = self.blocked.popitem(last=False)
        self.busy[key] = waiting
        return key, waiting.popleft()

    def shed(self, may_go: Callable[[Item], bool]) -> Item | None:
        """Take out one of the oldest that wait and `may_go`; None where there is none."""
        for queues in (self.busy, self.blocked):
            for key, waiting in queues.items():
                for index, item in enumerate(waiting):
                    if may_go(item):
                        del waiting[index]
                        if not waiting and queues is self.blocked:
                            del self.blocked[key]
                        return item
        return None
