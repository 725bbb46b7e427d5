"""What one client of the built-in broker, and all of them together, can take of it."""

from __future__ import annotations

import pytest

from dskity.broker.engines.builtin.server import Rules
from dskity.broker.packets.forwarded import MOST_LEVELS, measure
from dskity.bus.sessions.bounds import Bounds
from tests.engines.builtin.scripted import House, ack, packet, publish, subscribe, table, text

HOUR = b"\x11" + (3600).to_bytes(4, "big")  # Session Expiry Interval
DISCONNECT, PUBACK = 0xE0, 0x40


def test_a_packet_too_large_is_told() -> None:
    one = House(Rules(max_packet=100)).named("one")
    one.send(publish("t", bytes(200)))
    assert one.take() == [(DISCONNECT, b"\x95")]


def test_a_flood_of_one_client_leaves_the_others_their_turn() -> None:
    house = House(Rules(turn=10))
    one = house.named("one")
    one.connection.feed(b"\xc0\x00" * 25)
    assert len(one.take()) == 10
    assert one.held
    house.turn()
    assert len(one.take()) == 15
    assert not one.held


def test_a_slow_client_loses_messages_and_not_the_memory_of_the_broker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rules = Rules(bounds=Bounds(measure, messages=5))
    house = House(rules)
    slow, sender = house.named("slow"), house.named("sender")
    slow.send(subscribe(("t", 1)))
    slow.take()
    slow.writable = False
    for number in range(20):
        sender.send(publish("t", b"%d" % number, 1, number + 1))
    session = house.server.core.sessions["slow"]
    assert (session.backlog, session.dropped) == (5, 15)
    assert caplog.text.count("messages for client slow are dropped") == 1
    slow.writable = True
    slow.connection.writable_again()
    house.turn()
    messages = slow.messages()
    assert [message.payload for message in messages] == [b"%d" % number for number in range(5)]
    for message in messages:
        slow.send(ack(PUBACK, message.mid))
    assert session.size == house.server.core.meter.size == 0  # type: ignore[union-attr]  # bounded


def test_messages_of_all_clients_together_have_a_bound() -> None:
    """Above it each keeps a share, so that one that is away cannot starve the others."""
    rules = Rules(bounds=Bounds(measure, total=100_000, share=2_000))
    house = House(rules)
    for name in ("away", "other"):
        house.named(name, properties=HOUR).send(subscribe((name, 1)))
        house.server.core.sessions[name].client.taken_over()  # type: ignore[union-attr]  # it is there
    sender = house.named("sender")
    for number in range(200):
        sender.send(publish("away", bytes(1_000), 1, number + 1))
    sender.send(publish("other", bytes(1_000), 1, 201))
    sizes = {name: session.size for name, session in house.server.core.sessions.items()}
    assert 98_000 < sizes["away"] <= 100_000
    assert sizes["other"] > 1_000


def test_sessions_of_clients_that_are_away_have_a_bound() -> None:
    house = House(Rules(bounds=Bounds(measure, sessions=3)))
    for number in range(5):
        house.named(f"c{number}", properties=HOUR).connection.lost()
    assert list(house.server.core.sessions) == ["c2", "c3", "c4"]


def test_a_session_that_is_ended_for_others_leaves_nothing_and_has_its_will_published() -> None:
    """Ids that are new each time would else leave a will and a timer each, for two weeks."""
    house = House(Rules(bounds=Bounds(measure, sessions=3)))
    watcher = house.named("watcher")
    watcher.send(subscribe(("w/+", 0)))
    for number in range(1_000):
        will = table(b"\x18\x00\x00\x0e\x10") + text(f"w/{number}") + text("gone")
        house.named(f"c{number}", properties=HOUR, will=will).connection.lost()
    house.turn()
    assert len(watcher.messages()) == 997
    assert len(house.server.timers) < 1_000


def test_wills_that_wait_have_a_bound() -> None:
    house = House(Rules(max_wills=3_000))
    watcher = house.named("watcher")
    watcher.send(subscribe(("w", 0)))
    will = table(b"\x18\x00\x00\x0e\x10") + text("w") + text("x" * 1_000)
    for number in range(5):
        house.named(f"c{number}", properties=HOUR, will=will).connection.lost()
    house.turn()
    assert len(watcher.messages()) == 3
    for number in range(2):
        house.named(f"c{number}", clean=False).connection.lost()
    house.named("c5", properties=HOUR, will=will).connection.lost()
    house.turn()
    assert watcher.messages() == []


def test_a_will_to_a_topic_of_endless_levels_is_not_published() -> None:
    house = House()
    will = table() + text("/" * (MOST_LEVELS + 1)) + text("gone")
    house.named("one", will=will, flags=0x20).connection.lost()
    assert len(house.server.core.retained) == 0


def test_retained_messages_have_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    house = House(Rules(bounds=Bounds(measure, retained=3)))
    sender = house.named("sender")
    for number in range(5):
        sender.send(publish(f"t/{number}", retain=True))
    sender.send(publish("t/0", b"", retain=True), publish("t/4", retain=True))
    sender.send(subscribe(("#", 0)))
    assert {message.topic for message in sender.messages()} == {"t/1", "t/2", "t/4"}
    assert house.server.core.retained.refused == 2
    assert caplog.text.count("is not retained: 3 are") == 1


def test_filters_of_all_clients_together_have_a_bound() -> None:
    """A filter may have 64 KiB, and a session of an absent client keeps its own."""
    house = House(Rules(max_filters_size=200_000))
    for name in ("one", "two"):
        client = house.named(name, properties=HOUR)
        client.send(subscribe((f"{name}/{'x' * 60_000}", 0)))
        client.connection.lost()
    last = house.named("last")
    last.send(subscribe(("a", 0)))
    assert last.take() == [(0x90, b"\x00\x01\x00\x97")]
    house.named("one").send(packet(0xE0, b""))  # a clean start ends the session
    last.send(subscribe(("a", 0)))
    assert last.take() == [(0x90, b"\x00\x01\x00\x00")]
    for name in ("two", "last"):
        house.named(name).connection.lost()
    assert house.server.core.filters_size == 0
