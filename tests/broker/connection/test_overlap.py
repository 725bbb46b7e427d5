"""Surplus copies of a broker that names no subscriptions."""

from __future__ import annotations

from dskity.broker.connection.overlap import Unmarked
from dskity.broker.connection.retained import Asked
from dskity.broker.connection.subscriptions import Subscription, Subscriptions
from dskity.bus.delivery import Delivery


class Lane:
    """A lane with two overlapping filters on a/b, and one filter on c."""

    def __init__(self, *, copies: bool) -> None:
        table = Subscriptions()
        for identifier, filter in enumerate(("a/+", "a/#", "c"), 1):
            table.add(Subscription(filter, 1, identifier, "intake"))
        self.got: list[bytes] = []
        self.acknowledged: list[bytes] = []
        self._receiver = Unmarked(
            lambda delivery: self.got.append(delivery.payload),
            table,
            "intake",
            Asked(),
            copies=copies,
        )

    def arrive(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """A delivery comes off the wire."""
        acknowledge = lambda: self.acknowledged.append(payload)  # noqa: E731
        self._receiver(Delivery(topic, payload, 1, retain, False, None, acknowledge))


def test_the_second_copy_is_acknowledged_and_dropped() -> None:
    """Also when the same value is published twice: two copies each."""
    lane = Lane(copies=True)
    for _ in range(4):
        lane.arrive("a/b", b"21.5")
    assert lane.got == [b"21.5", b"21.5"]
    assert lane.acknowledged == [b"21.5", b"21.5"]


def test_what_differs_is_no_copy() -> None:
    """Another payload, another topic, or retained: delivered."""
    lane = Lane(copies=True)
    lane.arrive("a/b", b"1")
    lane.arrive("a/b", b"2")
    lane.arrive("a/b", b"2", retain=True)
    lane.arrive("a/c", b"2")
    assert lane.got == [b"1", b"2", b"2", b"2"]


def test_only_what_follows_straight_is_a_copy() -> None:
    """With something in between it is a message of its own."""
    lane = Lane(copies=True)
    lane.arrive("a/b", b"1")
    lane.arrive("c", b"x")
    lane.arrive("a/b", b"1")
    assert lane.got == [b"1", b"x", b"1"]


def test_one_matching_filter_has_no_copies() -> None:
    """Equal messages in a row are as many messages."""
    lane = Lane(copies=True)
    for _ in range(3):
        lane.arrive("c", b"same")
    assert lane.got == [b"same"] * 3


def test_nothing_is_dropped_where_copies_were_not_seen() -> None:
    """Twice is better than never."""
    lane = Lane(copies=False)
    for _ in range(3):
        lane.arrive("a/b", b"same")
    assert lane.got == [b"same"] * 3
