"""The subscriptions of amqtt's clients, arranged so that ten thousand cost no more than ten."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amqtt.session import Session

    Subscribers: TypeAlias = list[tuple[Session, int]]


class Filters(dict[str, "Subscribers"]):
    """From filter to (session, granted QoS) pairs; `wild` are the filters with wildcards."""

    def __init__(self) -> None:
        super().__init__()
        self.wild: dict[str, None] = {}

    def candidates(self, topic: str) -> Iterator[str]:
        """The filters that may match: the topic itself, and each with wildcards."""
        if topic in self:
            yield topic
        yield from tuple(self.wild)

    def __setitem__(self, filter: str, subscribers: Subscribers) -> None:
        super().__setitem__(filter, subscribers)
        if "+" in filter or "#" in filter:
            self.wild[filter] = None

    def __delitem__(self, filter: str) -> None:
        super().__delitem__(filter)
        self.wild.pop(filter, None)

    def clear(self) -> None:
        super().clear()
        self.wild.clear()

    def __repr__(self) -> str:
        # amqtt asks for it after each SUBSCRIBE; all written out, 10,000 would take minutes.
        return f"<{len(self)} filters>"
