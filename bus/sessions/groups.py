"""Whose turn it is in a shared subscription (MQTT 5 spec 4.8.2)."""

from __future__ import annotations

from typing import Generic, TypeAlias

from dskity.bus.sessions.session import M, Subscription

Key: TypeAlias = tuple[str, str]


class Groups(Generic[M]):
    """The groups by share name and filter. One without members is forgotten."""

    def __init__(self) -> None:
        self._turns: dict[Key, int] = {}
        self._members: dict[Key, int] = {}

    def join(self, sub: Subscription[M]) -> None:
        """A member subscribed."""
        if sub.group is not None:
            key = sub.group, sub.pattern.filter
            self._members[key] = self._members.get(key, 0) + 1

    def leave(self, sub: Subscription[M]) -> None:
        """A member unsubscribed, or its session ended."""
        if sub.group is None:
            return
        key = sub.group, sub.pattern.filter
        self._members[key] -= 1
        if not self._members[key]:
            del self._members[key]
            self._turns.pop(key, None)

    def next(self, key: Key, subs: list[Subscription[M]]) -> Subscription[M]:
        """The next of `subs`, connected ones first."""
        live = [sub for sub in subs if sub.session.client is not None] or subs
        turn = self._turns.get(key, 0)
        self._turns[key] = turn + 1
        return live[turn % len(live)]
