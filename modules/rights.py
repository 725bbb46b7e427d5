"""What a caller may do: MQTT filters, of topics to publish to and of filters to subscribe to.

One list rules HTTP, gRPC and MQTT alike: a call at a door needs the right to the topic that does
the same over MQTT (the table is in docs/explanation/security.md). What is not listed is denied;
an admin may do all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from dskity.bus import topics
from dskity.bus.errors import Forbidden

Right: TypeAlias = Literal["publish", "subscribe"]
Watch: TypeAlias = Callable[[Right, str, bool], None]
"""Hears of each right that a call needs: which, to what topic or filter, and if it is there."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: its name for the log, and what it may do. `watch` is of the call that it makes."""

    name: str
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    admin: bool = False
    watch: Watch | None = field(default=None, compare=False, repr=False)

    def watched(self, watch: Watch) -> Principal:
        """The same caller in one call, whose needs for rights `watch` hears of."""
        return replace(self, watch=watch)

    def may_publish(self, topic: str) -> bool:
        """Whether it may do all, or one of its filters matches the topic."""
        return self.admin or any(topics.matches(allowed, topic) for allowed in self.publish)

    def may_subscribe(self, filter: str) -> bool:
        """Whether it may do all, or everything that matches the MQTT filter is allowed to it."""
        return self.admin or any(covers(allowed, filter) for allowed in self.subscribe)

    def require_publish(self, topic: str) -> None:
        """`Forbidden` unless it may publish to the topic; `InvalidTopic` where no client could."""
        topics.check_topic(topic)
        self._require("publish", topic, self.may_publish(topic))

    def require_subscribe(self, filter: str) -> None:
        """`Forbidden` unless it may subscribe to the MQTT filter."""
        self._require("subscribe", filter, self.may_subscribe(filter))

    def _require(self, right: Right, topic: str, allowed: bool) -> None:
        if self.watch is not None:
            self.watch(right, topic, allowed)
        if not allowed:
            raise Forbidden(f"{self.name} may not {right} to {topic!r}")


LOOPBACK = Principal("loopback", admin=True)


def covers(allowed: str, filter: str) -> bool:
    """Whether every topic that matches `filter` matches `allowed` too (both MQTT filters)."""
    wide = allowed.split("/")
    narrow = topics.split_share(filter)[1].split("/")
    if narrow[0].startswith("$") and wide[0] in {"+", "#"}:
        return False  # a leading wildcard never matches `$…` ([MQTT-4.7.2-1])
    for index, level in enumerate(wide):
        if level == "#":
            return True
        if index >= len(narrow) or narrow[index] == "#":
            return False
        if level not in {"+", narrow[index]}:
            return False
    return len(wide) == len(narrow)
