"""Connections that break, brokers that go and come, processes that restart."""

from __future__ import annotations

import pytest

from dskity.bus.errors import NotConnected
from tests.contract.cells import Cell
from tests.contract.house import House, open_house
from tests.waiting import until


async def test_a_broken_connection_comes_back_with_its_subscriptions(house: House) -> None:
    """And both ends are told."""
    client = await house.connected()
    await client.transport.subscribe("on/#", 1, 1)
    await client.cut()
    assert len(client.downs) == 1
    assert client.ups == [False, True]
    await client.publish("on/and/on")
    await client.got(1)


async def test_subscriptions_are_restored_when_the_broker_has_forgotten_them(house: House) -> None:
    """It was killed and keeps nothing on disk."""
    client = await house.connected()
    await client.transport.subscribe("back/#", 1, 1)
    await client.transport.subscribe("control/#", 1, 2, "control")
    await house.broker.stop()
    await until(lambda: client.downs, "the loss is noticed")
    assert not client.transport.connected
    await client.transport.subscribe("while/away", 1, 3)
    await client.transport.unsubscribe("back/never")
    await house.broker.start()
    await client.up(2)
    for topic in ("back/again", "control/again", "while/away"):
        await client.publish(topic)
    await client.got(3)


async def test_publishing_without_a_broker_raises_at_once(house: House) -> None:
    """Nothing waits, and nothing is kept in secret."""
    client = await house.connected()
    await house.broker.stop()
    await until(lambda: client.downs, "the loss is noticed")
    for qos in (0, 1, 2):
        with pytest.raises(NotConnected):
            await client.publish("nobody/there", qos=qos)


@pytest.mark.needs("persistent")
async def test_a_session_keeps_messages_while_the_client_is_away(house: House) -> None:
    """QoS ≥ 1, in order; the next process of the same client id gets them."""
    first, sender = await house.connected("box"), await house.connected("sender")
    await first.transport.subscribe("queue/#", 1, 1)
    await first.transport.close()
    sent = [str(number).encode() for number in range(50)]
    for payload in sent:
        await sender.publish("queue/item", payload)
    second = await house.client("box")
    await second.transport.subscribe("queue/#", 1, 1)
    await second.start()
    await second.up()
    assert second.ups == [True]
    await second.got(50)
    assert second.payloads == sent


@pytest.mark.needs("unsubscribes_resumed", "a slow reconnect")
async def test_a_resumed_session_is_not_subscribed_anew(house: House) -> None:
    """Or each reconnect would bring all retained messages again; only what changed is made good."""
    client = await house.connected()
    await client.publish("state/a", b"kept", retain=True)
    await client.transport.subscribe("state/+", 1, 1)
    await client.transport.subscribe("gone/+", 1, 2)
    await client.got(1)
    assert client.proxy is not None
    client.proxy.refuse()
    client.proxy.cut()
    await until(lambda: client.downs, "the loss is noticed")
    await client.transport.unsubscribe("gone/+")
    await client.transport.subscribe("new/+", 1, 3)
    client.proxy.refuse(on=False)
    await client.up(2)
    for topic in ("gone/x", "new/x"):
        await client.publish(topic, topic.encode())
    await client.got(2)
    assert client.payloads == [b"kept", b"new/x"]


@pytest.mark.needs("sessions on disk")
async def test_a_session_survives_the_brokers_restart_on_disk(cell: Cell) -> None:
    """mosquitto with persistence, killed: messages queued before are there after."""
    async with open_house(cell, persistence=True) as house:
        first, sender = await house.connected("box"), await house.connected("sender")
        await first.transport.subscribe("queue/#", 1, 1)
        await first.transport.close()
        await sender.publish("queue/item", b"kept")
        await sender.publish("other")  # mosquitto writes its file after each turn of its loop
        await sender.publish("other")
        await house.broker.stop()
        await house.broker.start()
        second = await house.client("box")
        await second.transport.subscribe("queue/#", 1, 1)
        await second.start()
        await second.got(1)
        assert second.payloads == [b"kept"]


@pytest.mark.needs("a session that ends")
async def test_a_clean_start_begins_with_an_empty_session(house: House) -> None:
    """What was queued for the client id is dropped."""
    first, sender = await house.connected("box"), await house.connected("sender")
    await first.transport.subscribe("queue/#", 1, 1)
    await first.transport.close()
    await sender.publish("queue/item", b"dropped")
    second = await house.client("box", clean_start=True)
    await second.transport.subscribe("queue/#", 1, 1)
    await second.start()
    await second.up()
    assert second.ups == [False]
    await sender.publish("queue/item", b"new")
    await second.got(1)
    assert second.payloads == [b"new"]
