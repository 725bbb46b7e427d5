"""PUBACKs leave in the order of arrival ([MQTT-4.6.0-2])."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dskity.broker.acks import AckWindow


@given(st.permutations(range(8)))
def test_in_whatever_order_messages_are_handled(order: list[int]) -> None:
    """At each moment the handled ones at the front are acknowledged, and no other."""
    sent: list[int] = []
    window = AckWindow(sent.append)
    tickets = [window.arrived(mid) for mid in range(8)]
    handled: set[int] = set()
    for mid in order:
        tickets[mid]()
        handled.add(mid)
        ready = next((n for n in range(8) if n not in handled), 8)
        assert sent == list(range(ready))
    assert len(window) == 0


def test_nothing_is_sent_after_the_connection_is_gone() -> None:
    """A packet identifier means nothing on another one."""
    sent: list[int] = []
    window = AckWindow(sent.append)
    first, second = window.arrived(1), window.arrived(2)
    first()
    window.close()
    second()
    assert sent == [1]


def test_a_packet_identifier_may_come_again_while_the_first_waits() -> None:
    """A broker reuses one once it is acknowledged."""
    sent: list[int] = []
    window = AckWindow(sent.append)
    blocked, first = window.arrived(1), window.arrived(2)
    again = window.arrived(2)
    again()
    first()
    assert sent == []
    blocked()
    assert sent == [1, 2, 2]
