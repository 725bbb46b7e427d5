"""Acknowledging: only when told, in order, never across a reconnect."""

from __future__ import annotations

import pytest

from dskity.bus.delivery import Delivery
from tests.contract.house import Client, House


def keep(delivery: Delivery) -> None:
    """Handle a delivery later."""


async def _receiver(house: House, qos: int = 1) -> Client:
    client = await house.client("receiver")
    client.handle = keep
    await client.transport.subscribe("work/#", qos, 1)
    await client.start()
    await client.up()
    return client


@pytest.mark.needs("redelivery", "marks_duplicates")
@pytest.mark.parametrize("qos", [1, 2])
async def test_what_was_not_acknowledged_comes_again(house: House, qos: int) -> None:
    """After a broken connection, as a duplicate; what was acknowledged does not."""
    receiver, sender = await _receiver(house, qos), await house.connected("sender")
    for payload in (b"1", b"2", b"3"):
        await sender.publish("work/item", payload, qos=qos)
    await receiver.got(3)
    receiver.deliveries[0].done()
    await sender.publish("work/item", b"4", qos=qos)  # a round trip, so the PUBACK has arrived
    await receiver.got(4)
    await receiver.cut()
    await receiver.got(7)
    again = receiver.deliveries[4:]
    assert [delivery.payload for delivery in again] == [b"2", b"3", b"4"]
    assert all(delivery.duplicate for delivery in again)
    assert not any(delivery.duplicate for delivery in receiver.deliveries[:4])


@pytest.mark.needs("opens_window")
async def test_an_unacknowledged_message_does_not_hold_back_the_21st(house: House) -> None:
    """mosquitto has a window of 20 by default, which our Receive Maximum opens."""
    receiver, sender = await _receiver(house), await house.connected("sender")
    for number in range(21):
        await sender.publish("work/item", b"%d" % number)
    await receiver.got(21)
    assert receiver.payloads == [b"%d" % number for number in range(21)]


@pytest.mark.needs("redelivery", "a network")
async def test_acknowledgements_leave_in_the_order_of_arrival(house: House) -> None:
    """[MQTT-4.6.0-2]: the second is done, and waits for the first; after a cut both come again."""
    receiver, sender = await _receiver(house), await house.connected("sender")
    for payload in (b"1", b"2"):
        await sender.publish("work/item", payload)
    await receiver.got(2)
    receiver.deliveries[1].done()
    await sender.publish("work/item", b"3")
    await receiver.got(3)
    await receiver.cut()
    await receiver.got(6)
    assert receiver.payloads[3:] == [b"1", b"2", b"3"]
    for delivery in reversed(receiver.deliveries[3:]):
        delivery.done()
    await sender.publish("work/item", b"4")
    await receiver.got(7)
    receiver.deliveries[6].done()
    await sender.publish("work/item", b"5")
    await receiver.got(8)
    await receiver.cut()
    await receiver.got(9)
    assert receiver.payloads[8:] == [b"5"]


@pytest.mark.needs("redelivery")
async def test_an_acknowledgement_never_crosses_a_reconnect(house: House) -> None:
    """The packet identifier may be another message's there."""
    receiver, sender = await _receiver(house), await house.connected("sender")
    await sender.publish("work/item", b"1")
    await receiver.got(1)
    await receiver.cut()
    await receiver.got(2)
    receiver.deliveries[0].done()  # of the connection that is gone
    await sender.publish("work/item", b"2")
    await receiver.got(3)
    await receiver.cut()
    await receiver.got(5)
    assert receiver.payloads[3:] == [b"1", b"2"]


@pytest.mark.parametrize(("qos", "count"), [(1, 60), (2, 25)])
async def test_acknowledged_messages_make_room_for_more(house: House, qos: int, count: int) -> None:
    """Beyond the broker's window of 20, whatever order they are handled in."""
    receiver, sender = await _receiver(house, qos), await house.connected("sender")
    for number in range(count):
        await sender.publish("work/item", str(number).encode(), qos=qos)
        await receiver.got(number + 1)
        if number % 5 == 4:
            for delivery in reversed(receiver.deliveries[number - 4 : number + 1]):
                delivery.done()
    assert receiver.payloads == [str(number).encode() for number in range(count)]


@pytest.mark.needs("redelivery")
async def test_closing_lets_queued_acknowledgements_leave_first(house: House) -> None:
    """What is handled is not sent again to the next process."""
    receiver, sender = await _receiver(house), await house.connected("sender")
    for number in range(10):
        await sender.publish("work/item", str(number).encode())
    await receiver.got(10)
    for delivery in receiver.deliveries[:9]:
        delivery.done()
    await receiver.transport.close()
    successor = await _receiver(house)
    await successor.got(1)
    assert successor.ups == [True]
    assert successor.payloads == [b"9"]
