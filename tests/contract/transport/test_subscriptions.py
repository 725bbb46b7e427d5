"""Subscribing: overlaps, groups, replacing and ending."""

from __future__ import annotations

import pytest

from dskity.bus.errors import Unsupported
from dskity.bus.topics import share
from tests.contract.cells import Cell, reason_against
from tests.contract.house import Client, House
from tests.waiting import until


async def _flush(client: Client, count: int) -> None:
    """Wait for `count` deliveries, and see that no further one is on its way."""
    await client.transport.subscribe("flush", 1, 999)
    await client.publish("flush")
    await client.got(count + 1)
    assert len(client.deliveries) == count + 1, client.deliveries
    assert client.deliveries.pop().topic == "flush"


async def test_overlapping_filters_get_a_message_once_each(house: House) -> None:
    """In one delivery, or in one for each subscription, which then names it."""
    client = await house.connected()
    await client.transport.subscribe("over/+", 1, 11)
    await client.transport.subscribe("over/#", 1, 12)
    await client.publish("over/lap", b"x")
    await client.got(1)
    await _flush(client, _deliveries_each(client))
    if client.transport.capabilities.overlap == "identified":
        names = [name for d in client.deliveries if d.meta for name in d.meta.subscriptions]
        assert sorted(names) == [11, 12]


async def test_equal_messages_in_a_row_are_not_taken_for_copies(house: House) -> None:
    """A sensor may report the same value ten times."""
    client = await house.connected()
    await client.transport.subscribe("same/+", 1, 11)
    await client.transport.subscribe("same/#", 1, 12)
    for _ in range(10):
        await client.publish("same/value", b"21.5")
    await client.got(10)
    await _flush(client, 10 * _deliveries_each(client))


def _deliveries_each(client: Client) -> int:
    """In how many deliveries a message comes that two filters match."""
    meta = client.deliveries[0].meta
    return 2 if meta is not None and len(meta.subscriptions) == 1 else 1


async def test_a_topic_of_both_lanes_is_named_or_told_apart(house: House) -> None:
    """Two connections get it, and each delivery is for its own subscription."""
    client = await house.connected()
    await client.transport.subscribe("both/#", 1, 21, "intake")
    await client.transport.subscribe("both/+", 1, 22, "control")
    await client.publish("both/lanes")
    await client.got(2)
    names = [d.meta.subscriptions for d in client.deliveries if d.meta]
    assert sorted(names) == [(21,), (22,)]


async def test_a_wildcard_does_not_match_the_brokers_own_topics(house: House) -> None:
    """[MQTT-4.7.2-1]."""
    client = await house.connected()
    await client.transport.subscribe("#", 0, 1)
    await client.transport.subscribe("+/broker/version", 0, 2)
    await client.publish("mark")
    await client.got(1)
    assert {delivery.topic for delivery in client.deliveries} == {"mark"}


@pytest.mark.needs("replaces_subscriptions")
async def test_subscribing_again_replaces(house: House) -> None:
    """The new quality of service counts, and the message comes once."""
    client = await house.connected()
    await client.transport.subscribe("twice", 0, 1)
    await client.transport.subscribe("twice", 1, 2)
    await client.publish("twice")
    await client.got(1)
    await _flush(client, 1)
    assert client.deliveries[0].qos == 1


async def test_a_filter_may_be_on_both_lanes(house: House) -> None:
    """Each gets a copy that names its own subscription, until it ends there."""
    client = await house.connected()
    await client.transport.subscribe("both", 1, 1, "intake")
    await client.transport.subscribe("both", 1, 2, "control")
    await client.publish("both")
    await client.got(2)
    named = [delivery.meta.subscriptions for delivery in client.deliveries if delivery.meta]
    assert sorted(named) == [(1,), (2,)]
    await client.transport.unsubscribe("both", "control")
    await client.publish("both", b"again")
    await client.got(3)
    await _flush(client, 3)


async def test_unsubscribing_ends_it(house: House) -> None:
    """An unknown filter is ignored."""
    client = await house.connected()
    await client.transport.subscribe("ends", 1, 1)
    await client.transport.unsubscribe("ends")
    await client.transport.unsubscribe("was/never/there")
    await client.publish("ends")
    await _flush(client, 0)


async def test_subscribing_before_the_start_and_before_the_connection_holds(house: House) -> None:
    """It is in place when `connected` is told."""
    client = await house.client()
    await client.transport.subscribe("early/1", 1, 1)
    await client.start()
    await client.transport.subscribe("early/2", 1, 2)
    await client.transport.subscribe("early/gone", 1, 3)
    await client.transport.unsubscribe("early/gone")
    await client.up()
    for topic in ("early/gone", "early/1", "early/2"):
        await client.publish(topic)
    await client.got(2)
    assert {delivery.topic for delivery in client.deliveries} == {"early/1", "early/2"}


async def test_a_thousand_subscriptions_are_made_and_restored(house: House) -> None:
    """In bounded portions, not one round trip each."""
    client = await house.client()
    for number in range(1000):
        await client.transport.subscribe(f"many/{number}", 1, number + 1)
    await client.start()
    await client.up()
    await client.publish("many/999")
    await client.got(1)


@pytest.mark.needs("shared")
async def test_members_of_a_group_share_the_messages(house: House) -> None:
    """Each message goes to one of them; both get some."""
    members = [await house.connected(name) for name in ("left", "right")]
    for member in members:
        await member.transport.subscribe(share("group", "work/#"), 1, 5)
    for number in range(20):
        await members[0].publish("work/item", str(number).encode())
    await until(lambda: sum(len(m.deliveries) for m in members) >= 20, "20 deliveries")
    assert sorted(int(p) for m in members for p in m.payloads) == list(range(20))
    assert all(member.deliveries for member in members)


@pytest.mark.needs("shared", "shares_filters")
async def test_a_group_may_have_several_filters(house: House) -> None:
    """They have the name in common and nothing else."""
    client = await house.connected()
    for number, topic in enumerate(("work/a", "work/b"), start=1):
        await client.transport.subscribe(share("group", topic), 1, number)
    for topic in ("work/a", "work/b"):
        await client.publish(topic)
    await client.got(2)
    assert sorted(delivery.topic for delivery in client.deliveries) == ["work/a", "work/b"]


async def test_a_broker_without_groups_is_refused_one(cell: Cell, house: House) -> None:
    """With the fix; `Capabilities` said so before."""
    client = await house.connected()
    if reason_against(cell, "shared") is None:
        assert client.transport.capabilities.shared
        return
    assert not client.transport.capabilities.shared
    with pytest.raises(Unsupported, match="remove group="):
        await client.transport.subscribe(share("group", "work/#"), 1, 5)


async def test_the_publishers_retain_flag_comes_along_where_the_broker_can(house: House) -> None:
    """MQTT 5's Retain As Published, which a bridge asks for; where there is none it is no error."""
    client = await house.connected()
    await client.transport.subscribe("state/+", 1, 1, as_published=True)
    await client.publish("state/x", b"1", retain=True)
    await client.publish("state/x", b"2")
    await client.got(2)
    keeps = client.transport.capabilities.headers and not reason_against(
        house.cell, "retains_as_published"
    )
    assert [delivery.retain for delivery in client.deliveries] == [keeps, False]
