"""Who may hold a connection; without sockets."""

from __future__ import annotations

from dskity.modules.http.wire.connections import Bounds, Connections, Place, TimeOuts

BOUNDS = Bounds(connections=4, per_address=2, reserve=1)
TIME_OUTS = TimeOuts(head=10, body=60, idle=30)


class Door:
    """Connections, and which of them were cut."""

    def __init__(self, bounds: Bounds = BOUNDS) -> None:
        self.connections = Connections(bounds, TIME_OUTS)
        self.cut: list[str] = []

    def admit(self, host: str, now: float = 0.0) -> Place:
        return self.connections.admit(host, lambda: self.cut.append(host), now)


def test_an_address_beyond_its_bound_gets_the_reserve() -> None:
    """And a common place again as soon as one of its connections has ended."""
    door = Door()
    first = door.admit("192.0.2.1")
    assert [door.admit("192.0.2.1").health_only for _ in range(2)] == [False, True]
    assert not door.admit("192.0.2.2").health_only
    door.connections.leave(first)
    assert not door.admit("192.0.2.1").health_only


def test_the_newest_in_the_reserve_takes_the_place_of_the_oldest() -> None:
    """So that no number of silent ones keeps a probe out."""
    door = Door(Bounds(connections=1, per_address=1, reserve=2))
    door.admit("192.0.2.1")
    for number in range(2, 6):
        assert door.admit(f"192.0.2.{number}").health_only
    assert door.cut == ["192.0.2.2", "192.0.2.3"]


def test_this_machine_has_a_reserve_of_its_own_with_all_rights() -> None:
    """127.0.0.1 and ::1, also as an IPv4 address on an IPv6 socket; no bound of an address holds
    them. Another address of 127.0.0.0/8 is a stranger."""
    door = Door()
    for home in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "127.0.0.1"):
        assert not door.admit(home).health_only
    assert door.admit("127.0.0.2").health_only
    assert not door.admit("127.0.0.1").health_only
    assert door.admit("127.0.0.1").health_only


def test_an_ipv6_network_of_64_bits_counts_as_one_address() -> None:
    """Everybody has that many addresses."""
    door = Door()
    door.admit("2001:db8::1")
    door.admit("2001:db8::ffff:1%eth0")
    assert door.admit("2001:db8::2:3").health_only
    assert not door.admit("2001:db8:0:1::1").health_only


def test_a_place_is_given_back_once() -> None:
    """Whoever says it twice frees nobody else's."""
    door = Door()
    gone = door.admit("192.0.2.1")
    door.admit("192.0.2.1")
    door.connections.leave(gone)
    door.connections.leave(gone)
    door.admit("192.0.2.1")
    assert door.admit("192.0.2.1").health_only


def test_a_sweep_ends_what_is_over_its_time() -> None:
    """From the moment that the socket was accepted, so TLS handshakes count too."""
    door = Door()
    silent, busy, stalled = door.admit("192.0.2.1"), door.admit("192.0.2.2"), door.admit("::2")
    busy.deadline = None
    stalled.deadline, stalled.stalled = None, 5.0
    door.connections.sweep(9.9)
    assert door.cut == ["::2"]
    door.connections.leave(stalled)
    silent.overdue = lambda: door.cut.append("overdue")
    door.connections.sweep(10.0)
    assert door.cut == ["::2", "overdue"]
