"""PUBACKs leave in the order of arrival ([MQTT-4.6.0-2])."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from dskity.broker.packets.acks import AckWindow


class Wire:
    """Collects what is written: the packet identifiers, and in how many writes."""

    def __init__(self) -> None:
        self.mids: list[int] = []
        self.writes = 0

    def __call__(self, packets: bytes) -> None:
        self.writes += 1
        for at in range(0, len(packets), 4):
            assert packets[at : at + 2] == b"\x40\x02"
            self.mids.append(int.from_bytes(packets[at + 2 : at + 4], "big"))


@given(st.permutations(range(1, 9)))
def test_in_whatever_order_messages_are_handled(order: list[int]) -> None:
    """At each moment the handled ones at the front are acknowledged, and no other."""

    async def handle() -> None:
        wire = Wire()
        window = AckWindow(wire)
        tickets = {mid: window.arrived(mid) for mid in range(1, 9)}
        handled: set[int] = set()
        for mid in order:
            tickets[mid]()
            handled.add(mid)
            window.flush()
            ready = next((n for n in range(1, 9) if n not in handled), 9)
            assert wire.mids == list(range(1, ready))
        assert len(window) == 0

    asyncio.run(handle())


async def test_those_of_one_turn_leave_in_one_write() -> None:
    wire = Wire()
    window = AckWindow(wire)
    for ticket in [window.arrived(mid) for mid in (1, 2, 3)]:
        ticket()
    assert wire.writes == 0
    await asyncio.sleep(0)
    assert (wire.mids, wire.writes) == ([1, 2, 3], 1)


async def test_nothing_is_sent_after_the_connection_is_gone() -> None:
    """A packet identifier means nothing on another one."""
    wire = Wire()
    window = AckWindow(wire)
    first, second = window.arrived(1), window.arrived(2)
    first()
    window.flush()
    window.close()
    second()
    await asyncio.sleep(0)
    assert wire.mids == [1]


async def test_a_packet_identifier_may_come_again_while_the_first_waits() -> None:
    """A broker reuses one once it is acknowledged."""
    wire = Wire()
    window = AckWindow(wire)
    blocked, first = window.arrived(1), window.arrived(2)
    again = window.arrived(2)
    again()
    first()
    window.flush()
    assert wire.mids == []
    blocked()
    window.flush()
    assert wire.mids == [1, 2, 2]
