"""Order and concurrency of one route: which message may begin, and which waits for which.

Messages of one key are handled one at a time, in the order of arrival; keys run in parallel, at
most `concurrency` at once. While nothing of the route is suspended there is nothing to look up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(slots=True)
class Lanes(Generic[Item]):
    """`busy` maps the key of each suspended message to those that wait behind it; `blocked` are
    messages that wait for the concurrency bound, in the order of arrival."""

    concurrency: int
    busy: dict[Hashable, deque[Item]] = field(default_factory=dict)
    blocked: deque[tuple[Hashable, Item]] = field(default_factory=deque)

    def must_wait(self, key: Hashable, item: Item) -> bool:
        """Whether `item` has to wait; if so it is kept."""
        waiting = self.busy.get(key)
        if waiting is not None:
            waiting.append(item)
            return True
        if self.blocked or len(self.busy) >= self.concurrency:
            self.blocked.append((key, item))
            return True
        return False

    def occupy(self, key: Hashable) -> deque[Item]:
        """The message of `key` has suspended: what comes for the key now waits in the result."""
        waiting: deque[Item] = deque()
        self.busy[key] = waiting
        return waiting

    def release(self, key: Hashable) -> tuple[Hashable, deque[Item], Item] | None:
        """The key is free. The first blocked message that may begin now, its key occupied already,
        so that nothing of the key that comes later can pass it; None where none is blocked."""
        del self.busy[key]
        while self.blocked:
            following, item = self.blocked.popleft()
            waiting = self.busy.get(following)
            if waiting is None:
                return following, self.occupy(following), item
            waiting.append(item)
        return None
