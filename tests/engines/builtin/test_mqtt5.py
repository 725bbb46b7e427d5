"""What MQTT 5 asks of a broker, packet by packet, on the built-in one without a socket."""

from __future__ import annotations

import pytest

from dskity.broker.engines.builtin.server import LONGEST_SESSION, Rules
from dskity.broker.engines.builtin.states import ALLOWED, Kind, State
from tests.engines.builtin.scripted import (
    House,
    ack,
    connect,
    packet,
    publish,
    subscribe,
    table,
    text,
)

HOUR = b"\x11" + (3600).to_bytes(4, "big")  # Session Expiry Interval
CONNACK, DISCONNECT, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK = (
    0x20, 0xE0, 0x40, 0x50, 0x62, 0x70, 0x90, 0xB0,
)  # fmt: skip


@pytest.fixture
def house() -> House:
    return House()


def test_the_table_says_which_packets_may_come_when() -> None:
    """A client that is not connected may only connect; one that is may not do so again."""
    assert ALLOWED[State.NEW] == {Kind.CONNECT}
    assert not ALLOWED[State.CHECKING]
    assert not ALLOWED[State.CLOSED]
    assert Kind.CONNECT not in ALLOWED[State.OPEN]
    for only_a_broker in (Kind.CONNACK, Kind.SUBACK, Kind.UNSUBACK, Kind.PINGRESP, Kind.AUTH):
        assert only_a_broker not in ALLOWED[State.OPEN]


def test_connack_tells_the_bounds(house: House) -> None:
    [(first, body)] = house.client().take()
    assert first == CONNACK
    told = b"\x27\x01\x00\x00\x00" + b"\x21\x03\xe8" + b"\x22\x00\x20"
    assert body == b"\0\0" + table(told)


def test_a_client_without_an_id_is_given_one(house: House) -> None:
    [(_, body)] = house.client(connect("")).take()
    assert b"\x12\x00\x1dauto-" in body


def test_a_session_that_would_last_too_long_is_shortened_and_the_client_is_told(
    house: House,
) -> None:
    [(_, body)] = house.client(connect(properties=b"\x11\xff\xff\xff\xff")).take()
    assert b"\x11" + LONGEST_SESSION.to_bytes(4, "big") in body


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (connect(properties=b"\x15\x00\x05SCRAM"), 0x8C),  # an enhanced authentication
        (connect("x" * 1025), 0x85),
    ],
)
def test_who_cannot_be_served_is_told_why(house: House, first: bytes, code: int) -> None:
    client = house.client(first)
    assert client.take() == [(CONNACK, bytes((0, code, 0)))]
    assert client.closed


async def test_a_session_ends_when_its_time_is_over(house: House) -> None:
    one = house.named("one", properties=HOUR)
    one.send(subscribe(("t", 1)))
    one.connection.lost()
    await house.later(3599)
    assert house.client(connect("one", clean=False, properties=HOUR)).take()[0][1][0] == 1
    house.server.core.sessions["one"].client.taken_over()  # type: ignore[union-attr]  # it is there
    await house.later(3601)
    assert "one" not in house.server.core.sessions
    sender = house.named("sender")
    sender.send(publish("t", qos=1))
    assert sender.take() == [(PUBACK, b"\x00\x01\x10")]  # its subscriptions are gone too


async def test_disconnect_may_shorten_a_session_but_not_begin_one(house: House) -> None:
    one = house.named("one", properties=HOUR)
    one.send(packet(0xE0, b"\0" + table(b"\x11\x00\x00\x00\x00")))
    assert one.closed
    assert "one" not in house.server.core.sessions
    two = house.named("two")
    two.send(packet(0xE0, b"\0" + table(HOUR)))
    assert two.take() == [(DISCONNECT, b"\x82")]


async def test_a_message_expires_and_what_is_left_of_its_time_is_told(house: House) -> None:
    one, sender = house.named("one", properties=HOUR), house.named("sender")
    one.send(subscribe(("t", 1)))
    one.connection.lost()
    sender.send(publish("t", b"short", 1, 1, properties=b"\x02\x00\x00\x00\x05"))
    sender.send(publish("t", b"long", 1, 2, properties=b"\x02\x00\x00\x00\x14"))
    await house.later(6)
    again = house.client(connect("one", clean=False, properties=HOUR))
    [message] = again.messages()
    assert (message.payload, message.table.found[0x02]) == (b"long", 14)


async def test_a_will_waits_for_its_delay_and_not_longer_than_the_session(house: House) -> None:
    will = table(b"\x18\x00\x00\x00\x0a") + text("w") + text("gone")  # a delay of 10 s
    watcher = house.named("watcher")
    watcher.send(subscribe(("w", 0)))
    for name, properties, after in (("kept", HOUR, 10), ("short", b"\x11\x00\x00\x00\x04", 4)):
        house.named(name, properties=properties, will=will).connection.lost()
        await house.later(after - 1)
        assert watcher.messages() == []
        await house.later(1)
        assert [message.payload for message in watcher.messages()] == [b"gone"]


async def test_a_client_that_comes_back_in_time_has_no_will_published(house: House) -> None:
    will = table(b"\x18\x00\x00\x00\x0a") + text("w") + text("gone")
    watcher = house.named("watcher")
    watcher.send(subscribe(("w", 0)))
    house.named("one", properties=HOUR, will=will).connection.lost()
    await house.later(5)
    house.named("one", clean=False, properties=HOUR)
    await house.later(3600)
    assert watcher.messages() == []


def test_a_disconnect_with_will_message_publishes_it(house: House) -> None:
    watcher = house.named("watcher")
    watcher.send(subscribe(("w", 0)))
    one = house.named("one", will=table() + text("w") + text("bye"))
    one.send(packet(0xE0, b"\x04"))
    assert [message.payload for message in watcher.messages()] == [b"bye"]


def test_the_properties_of_a_message_arrive_as_they_were_sent(house: House) -> None:
    """Also the same user property twice, and the payload format, in their order."""
    one = house.named("one")
    one.send(subscribe(("t", 0)))
    properties = (
        b"\x26" + text("k") + text("1") + b"\x01\x01" + b"\x26" + text("k") + text("2")
        + b"\x08" + text("reply/to") + b"\x09" + text("id") + b"\x03" + text("text/plain")
    )  # fmt: skip
    one.send(publish("t", properties=properties))
    [message] = one.messages()
    assert message.table.passed_on == properties


def test_a_subscription_identifier_comes_with_the_message_all_that_match(house: House) -> None:
    one = house.named("one")
    one.send(subscribe(("a/+", 0), properties=b"\x0b\x01"))
    one.send(subscribe(("a/#", 1), mid=2, properties=b"\x0b\xc8\x01"))
    one.take()
    one.connection.feed(publish("a/b", qos=1))
    house.turn()
    [(_, body)] = [(first, body) for first, body in one.take() if first >> 4 == 3]
    assert b"\x0b\x01" in body
    assert b"\x0b\xc8\x01" in body


@pytest.mark.parametrize(
    ("options", "own", "retained"),
    [
        (0b000000, True, False),
        (0b000100, False, False),  # No Local
        (0b001000, True, True),  # Retain As Published
    ],
)
def test_no_local_and_retain_as_published(
    house: House, options: int, own: bool, retained: bool
) -> None:
    one, other = house.named("one"), house.named("other")
    one.send(subscribe(("t", options)))
    one.send(publish("t", b"own", retain=True))
    assert [message.payload for message in one.messages()] == [b"own"] * own
    other.send(publish("t", b"live", retain=True))
    assert [message.retain for message in one.messages()] == [retained]


@pytest.mark.parametrize(("handling", "times"), [(0, [1, 1]), (1, [1, 0]), (2, [0, 0])])
def test_retain_handling(house: House, handling: int, times: list[int]) -> None:
    """Always, on a new subscription, never."""
    one = house.named("one")
    one.send(publish("t", b"kept", retain=True))
    came = []
    for _ in range(2):
        one.send(subscribe(("t", handling << 4)))
        came.append(len(one.messages()))
    assert came == times


def test_topic_aliases_last_for_the_connection(house: House) -> None:
    one, watcher = house.named("one", properties=HOUR), house.named("watcher")
    watcher.send(subscribe(("#", 0)))
    one.send(publish("long/topic", properties=b"\x23\x00\x07"))
    one.send(publish("", b"again", properties=b"\x23\x00\x07"))
    assert [(m.topic, m.payload) for m in watcher.messages()] == [
        ("long/topic", b"x"),
        ("long/topic", b"again"),
    ]
    one = house.named("one", clean=False, properties=HOUR)
    one.send(publish("", properties=b"\x23\x00\x07"))
    assert one.take() == [(DISCONNECT, b"\x82")]


@pytest.mark.parametrize("alias", [b"\x00\x00", b"\x00\x21", b"\xff\xff"])
def test_an_alias_that_was_not_allowed_ends_the_connection(house: House, alias: bytes) -> None:
    one = house.named("one")
    one.send(publish("t", properties=b"\x23" + alias))
    assert one.take() == [(DISCONNECT, b"\x94")]


def test_receive_maximum_bounds_what_is_under_way(house: House) -> None:
    one, sender = house.named("one", properties=b"\x21\x00\x02"), house.named("sender")
    one.send(subscribe(("t", 2)))
    one.take()
    for number in range(4):
        sender.send(publish("t", b"%d" % number, 1 + number % 2, number + 1))
    assert [message.mid for message in one.messages()] == [1, 2]
    one.send(ack(PUBACK, 1))
    assert [message.payload for message in one.messages()] == [b"2"]
    one.send(ack(PUBREC, 2))  # not before PUBCOMP
    assert one.take() == [(PUBREL, b"\x00\x02")]
    one.send(ack(PUBCOMP, 2))
    assert [message.payload for message in one.messages()] == [b"3"]


def test_a_client_keeps_to_the_receive_maximum_of_the_broker() -> None:
    """[MQTT-3.3.4-7]; a message that was completed counts no more."""
    one = House(Rules(receive_maximum=2)).named("one")
    for mid in (1, 2):
        one.send(publish("t", qos=2, mid=mid))
    one.send(ack(PUBREL, 1), publish("t", qos=2, mid=3))
    assert one.open
    one.take()
    one.send(publish("t", qos=2, mid=4))
    assert one.take() == [(DISCONNECT, b"\x93")]


def test_a_message_larger_than_the_client_takes_is_not_sent(house: House) -> None:
    one = house.named("one", properties=b"\x27\x00\x00\x00\x40")
    one.send(subscribe(("t", 1)))
    one.send(publish("t", bytes(100), 1), publish("t", b"small", 1))
    assert [message.payload for message in one.messages()] == [b"small"]
    assert len(house.server.core.sessions["one"].unacked) == 1


def test_the_acknowledgement_says_when_nobody_is_subscribed(house: House) -> None:
    one = house.named("one")
    one.send(publish("t", qos=1), publish("t", qos=2, mid=2))
    assert one.take() == [(PUBACK, b"\x00\x01\x10"), (PUBREC, b"\x00\x02\x10")]


def test_dollar_topics_are_the_brokers_own(house: House) -> None:
    one = house.named("one")
    one.send(subscribe(("$SYS/#", 0)))
    one.take()
    one.send(publish("$SYS/x", qos=1), publish("$SYS/x", qos=0))
    assert one.take() == [(PUBACK, b"\x00\x01\x90")]


def test_a_filter_that_is_none_is_refused_alone(house: House) -> None:
    one = house.named("one")
    one.send(subscribe(("a/#/b", 0), ("a+", 0), ("$share/g", 0), ("$share/g/", 0), ("a/#", 1)))
    assert one.take() == [(SUBACK, b"\x00\x01\x00\x8f\x8f\x8f\x8f\x01")]
    one.send(packet(0xA2, b"\x00\x02\x00" + text("a/#") + text("b")))
    assert one.take() == [(UNSUBACK, b"\x00\x02\x00\x00\x11")]


def test_a_shared_subscription_takes_turns_and_prefers_who_is_there(house: House) -> None:
    members = [house.named(name, properties=HOUR) for name in ("left", "right")]
    for member in members:
        member.send(subscribe(("$share/g/t", 1)))
        member.take()
    sender = house.named("sender")
    for number in range(4):
        sender.send(publish("t", b"%d" % number, 1, number + 1))
    assert [len(member.messages()) for member in members] == [2, 2]
    members[0].connection.lost()
    sender.send(publish("t", b"4", 1, 9))
    assert [message.payload for message in members[1].messages()] == [b"4"]


def test_a_takeover_is_told_to_the_first(house: House) -> None:
    first = house.named("one")
    second = house.named("one")
    assert first.take() == [(DISCONNECT, b"\x8e")]
    assert first.closed
    assert second.open


async def test_keep_alive_is_enforced_at_one_and_a_half(house: House) -> None:
    one = house.named("one", keepalive=10)
    await house.later(14)
    one.send(b"\xc0\x00")
    assert one.take() == [(0xD0, b"")]
    await house.later(14.9)
    assert one.open
    await house.later(0.2)
    assert one.take() == [(DISCONNECT, b"\x8d")]


async def test_who_does_not_connect_in_time_is_cut_off(house: House) -> None:
    silent = house.client(b"\x10")
    await house.later(10.1)
    assert silent.closed
    assert silent.written == b""


def test_what_was_not_acknowledged_comes_again_with_its_identifier_before_the_rest(
    house: House,
) -> None:
    """[MQTT-4.4.0-1]: PUBLISH marked as duplicate, and PUBREL for what was received."""
    one, sender = house.named("one", properties=HOUR), house.named("sender")
    one.send(subscribe(("t", 2)))
    for number in (1, 2, 3):
        sender.send(publish("t", b"%d" % number, 2 if number == 2 else 1, number))
    one.send(ack(PUBREC, 2))
    one.connection.lost()
    sender.send(publish("t", b"4", 1, 4))
    again = house.client(connect("one", clean=False, properties=HOUR))
    packets = again.take()
    assert packets[1] == (PUBREL, b"\x00\x02")
    again.packets = packets
    found = [(m.payload, m.mid, m.duplicate) for m in again.messages()]
    assert found == [(b"1", 1, True), (b"3", 3, True), (b"4", 4, False)]
