"""Publishing and receiving: topics, sizes, QoS, retained messages, properties."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from dskity.bus.errors import BrokerRefused, TooLarge
from dskity.bus.message import Message
from tests.contract.cells import Cell, reason_against
from tests.contract.house import House, open_house


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_384, 1_048_576])
async def test_payloads_arrive_unchanged_at_any_size(house: House, size: int) -> None:
    """From nothing to 1 MiB, every byte value."""
    client = await house.connected()
    await client.transport.subscribe("sizes/+", 1, 1)
    payload = (bytes(range(256)) * (size // 256 + 1))[:size]
    await client.publish("sizes/one", payload)
    await client.got(1)
    assert client.payloads == [payload]
    assert type(client.deliveries[0].payload) is bytes


async def test_the_lower_quality_of_service_counts(house: House) -> None:
    """[MQTT-3.8.4-8]; whatever it is, the message comes once."""
    client = await house.connected()
    for subscribed in (0, 1, 2):
        await client.transport.subscribe(f"qos/{subscribed}/+", subscribed, subscribed + 1)
    for number, (subscribed, published) in enumerate(itertools.product((0, 1, 2), repeat=2)):
        await client.publish(f"qos/{subscribed}/{published}", qos=published)
        await client.got(number + 1)
    for subscribed in (0, 1, 2):
        await client.publish(f"qos/{subscribed}/end", qos=2)
        await client.got(10 + subscribed)
    lowered = reason_against(house.cell, "lowers_qos") is None
    assert {delivery.topic: delivery.qos for delivery in client.deliveries} == {
        f"qos/{subscribed}/{name}": min(published, subscribed) if lowered else subscribed
        for subscribed in (0, 1, 2)
        for name, published in (("0", 0), ("1", 1), ("2", 2), ("end", 2))
    }
    assert len(client.deliveries) == 12
    assert not any(delivery.duplicate for delivery in client.deliveries)


async def test_messages_arrive_in_the_order_of_publishing(house: House) -> None:
    """Of one publisher, on one topic."""
    client = await house.connected()
    await client.transport.subscribe("order", 1, 1)
    sent = [str(number).encode() for number in range(300)]
    for payload in sent:
        await client.publish("order", payload)
    await client.got(len(sent))
    assert client.payloads == sent


async def test_a_retained_message_reaches_who_subscribes_later(house: House) -> None:
    """The newest one, marked as retained; an empty one deletes it."""
    client = await house.connected()
    await client.publish("state/a", b"old", retain=True)
    await client.publish("state/a", b"new", retain=True)
    await client.publish("state/b", b"gone", retain=True)
    await client.publish("state/b", b"", retain=True)
    await client.transport.subscribe("state/+", 1, 1)
    await client.got(1)
    await client.publish("state/c", b"live")
    await client.got(2)
    assert [(d.payload, d.retain) for d in client.deliveries] == [(b"new", True), (b"live", False)]


@pytest.mark.parametrize(
    ("filter", "matching"),
    [
        ("a/+/c", {"a/b/c", "a//c"}),
        ("a/#", {"a", "a/b", "a/b/c", "a//c"}),
        ("+/b", {"a/b", "/b"}),
        ("/+", {"/b"}),
        ("#", {"a", "a/b", "a/b/c", "a//c", "/b"}),
    ],
)
async def test_wildcards_match_by_the_rules(house: House, filter: str, matching: set[str]) -> None:
    """[MQTT-4.7.1], empty levels included."""
    client = await house.connected()
    await client.transport.subscribe(filter, 1, 1)
    for topic in ("a", "a/b", "a/b/c", "a//c", "/b"):
        await client.publish(topic)
    await client.got(len(matching))
    await client.transport.subscribe("end", 1, 2)
    await client.publish("end", b"the last one, so nothing more is on its way")
    await client.got(len(matching) + 1)
    assert {delivery.topic for delivery in client.deliveries} == matching | {"end"}


@pytest.mark.needs("headers")
async def test_properties_travel_both_ways(house: House) -> None:
    """Content type, headers, reply topic and correlation data."""
    client = await house.connected()
    await client.transport.subscribe("properties", 1, 9)
    await client.transport.publish(
        Message(
            "properties",
            b"x",
            content_type="text/plain; charset=utf-8",
            headers={"unit": "°C", "empty": ""},
            reply_to="answers/here",
            correlation=b"\x00\xff",
        )
    )
    await client.got(1)
    message = client.deliveries[0].message()
    assert message.content_type == "text/plain; charset=utf-8"
    assert message.headers == {"unit": "°C", "empty": ""}
    assert message.reply_to == "answers/here"
    assert message.correlation == b"\x00\xff"
    meta = client.deliveries[0].meta
    assert meta is not None
    assert meta.subscriptions == (9,)


@pytest.mark.needs("expiry")
async def test_what_is_left_of_the_expiry_arrives(house: House) -> None:
    """Whole seconds on the wire, rounded up: a short one must not become none at all."""
    client = await house.connected()
    await client.transport.subscribe("expiry", 1, 1)
    await client.publish("expiry", b"x", expires_in=0.2)
    await client.got(1)
    left = client.deliveries[0].message().expires_in
    assert left is not None
    assert 0 < left <= 1


@pytest.mark.needs("reports_no_match")
async def test_the_publisher_learns_whether_anybody_is_subscribed(house: House) -> None:
    """PUBACK with reason code 0x10; QoS 0 has no PUBACK."""
    client = await house.connected()
    assert await client.publish("nobody") is False
    assert await client.publish("nobody", qos=0) is None
    await client.transport.subscribe("somebody", 1, 1)
    assert await client.publish("somebody") is True


@pytest.mark.needs("a limit on packets")
async def test_an_oversized_message_is_refused_before_it_is_sent(cell: Cell) -> None:
    """The broker told its limit; the connection lives on."""
    async with open_house(cell, ("max_packet_size 2000",)) as house:
        client = await house.connected()
        assert client.transport.capabilities.max_packet == 2000
        with pytest.raises(TooLarge, match="at most 2000"):
            await client.publish("big", b"x" * 2000)
        await client.transport.subscribe("small", 1, 1)
        assert await client.publish("small", b"x" * 1000) is True
        assert client.downs == []


@pytest.mark.needs("access rules")
async def test_what_the_broker_refuses_is_an_error_with_its_reason(
    cell: Cell, tmp_path: Path
) -> None:
    """By its access rules: a subscription, and on MQTT 5 a publish."""
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite open/#\ntopic readwrite dskity-trial/#\n")
    async with open_house(cell, (f"acl_file {rules}",)) as house:
        client = await house.connected()
        if cell.broker == "mosquitto-5":
            with pytest.raises(BrokerRefused, match=r"closed/x.*not authorized") as refused:
                await client.publish("closed/x")
            assert refused.value.reason_code == 0x87
        assert client.downs == []
