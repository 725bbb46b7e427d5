"""Scripted faults against the real bus and dispatcher: nothing is lost, order holds where it is
promised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidInput, InvalidTopic, NotFound
from dskity.bus.message import Message
from dskity.testing import ScriptedBroker, ScriptedTransport, memory_bus, record, until


@dataclass
class Plant:
    """A bus under test behind a faulty connection, and a device on a sound one."""

    broker: ScriptedBroker
    clock: VirtualClock
    bus: Bus
    device: Bus
    handled: list[tuple[str, int]] = field(default_factory=list)
    again: list[int] = field(default_factory=list)

    @property
    def line(self) -> ScriptedTransport:
        """The faulty connection."""
        return self.broker.client(self.bus)

    async def handle(self, message: Message) -> None:
        """The handler of `t/+`."""
        if message.duplicate:
            self.again.append(message.json())
        self.handled.append((message.topic, message.json()))

    async def send(self, *numbers: int, topic: str = "t/a") -> None:
        """From the device."""
        for number in numbers:
            await self.device.publish(topic, number)

    def numbers(self, topic: str = "t/a") -> list[int]:
        """What was handled of a topic, in order."""
        return [number for name, number in self.handled if name == topic]

    @property
    def unacknowledged(self) -> int:
        """What the broker still keeps for us."""
        session = self.broker.sessions["plant"]
        return len(session.unacked) + sum(map(len, session.waiting.values()))

    async def quiet(self) -> None:
        """Wait until the broker has nothing left for us; backoffs pass meanwhile."""
        async with asyncio.timeout(10):
            while self.unacknowledged:
                await self.clock.advance(1)
                await asyncio.sleep(0.002)  # the threads that write to the disk


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    clock = VirtualClock()
    broker = ScriptedBroker(clock=clock)
    async with (
        memory_bus(broker.transport("plant"), clock=clock) as bus,
        memory_bus(broker.transport("device"), clock=clock) as device,
    ):
        plant = Plant(broker, clock, bus, device)
        await bus.subscribe("t/+", plant.handle)
        yield plant


async def test_a_message_whose_acknowledgement_got_lost_comes_again_after_a_reconnect(
    plant: Plant,
) -> None:
    plant.line.drop_acks(2)
    await plant.send(1, 2, 3)
    await until(lambda: len(plant.handled) == 3, "all three")
    assert plant.unacknowledged == 2
    plant.line.cut()
    await plant.quiet()
    assert plant.numbers() == [1, 2, 3, 1, 2]
    assert plant.again == [1, 2]


async def test_a_message_that_comes_twice_is_handled_twice_and_says_so(plant: Plant) -> None:
    plant.line.duplicate(2)
    await plant.send(1, 2, 3)
    await plant.quiet()
    assert plant.numbers() == [1, 1, 2, 2, 3]
    assert plant.again == [1, 2]


async def test_at_qos_0_nothing_comes_twice(plant: Plant) -> None:
    plant.line.duplicate()
    await plant.device.publish("t/a", 1, qos=0)
    await plant.send(2)
    await plant.quiet()
    assert plant.numbers() == [1, 2, 2]


async def test_messages_are_handled_in_the_order_of_their_arrival(plant: Plant) -> None:
    plant.line.reorder(3)
    await plant.send(1, 2)
    await asyncio.sleep(0)
    assert plant.handled == []
    await plant.send(3, 4)
    await plant.quiet()
    assert plant.numbers() == [3, 2, 1, 4]


async def test_reordered_topics_keep_the_order_of_each(plant: Plant) -> None:
    plant.line.reorder(2)
    await plant.send(1, topic="t/a")
    await plant.send(1, 2, topic="t/b")
    await plant.send(2, topic="t/a")
    await plant.quiet()
    assert plant.handled[:2] == [("t/b", 1), ("t/a", 1)]
    assert plant.numbers("t/a") == plant.numbers("t/b") == [1, 2]


async def test_what_was_out_of_order_on_a_lost_connection_comes_in_order_on_the_next(
    plant: Plant,
) -> None:
    plant.line.reorder(3)
    await plant.send(1, 2)
    await until(lambda: len(plant.line._turned) == 2, "two on the way")
    plant.line.cut()
    await until(lambda: len(plant.line._turned) == 2, "two on the way again")
    await plant.send(3)
    await plant.quiet()
    assert plant.numbers() == [3, 2, 1]
    assert plant.again == [2, 1]


async def test_a_slow_client_gets_what_it_takes_and_the_broker_keeps_the_rest(
    plant: Plant,
) -> None:
    plant.line.stall()
    await plant.send(1, 2, 3)
    await until(lambda: plant.line.stuck == 3, "three on the way")
    assert plant.handled == []
    plant.line.let_in(1)
    await until(lambda: plant.unacknowledged == 2, "one acknowledged")
    assert plant.numbers() == [1]
    plant.line.let_in()
    await plant.send(4)
    await plant.quiet()
    assert plant.numbers() == [1, 2, 3, 4]


async def test_what_is_stuck_on_a_lost_connection_comes_again(plant: Plant) -> None:
    plant.line.stall()
    await plant.send(1, 2)
    await until(lambda: plant.line.stuck == 2, "two on the way")
    plant.line.cut()
    await until(lambda: plant.line.stuck == 2, "two on the way again")
    plant.line.let_in()
    await plant.quiet()
    assert plant.numbers() == plant.again == [1, 2]


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_publish_that_loses_its_connection_is_sent_again_in_its_place(
    plant: Plant, *, arrives: bool
) -> None:
    heard: list[int] = []

    async def listen(message: Message) -> None:
        heard.append(message.json())

    await plant.device.subscribe("out", listen)
    plant.line.disconnect_on_publish(3, arrives=arrives)
    accepted = [(await plant.bus.publish("out", number)).accepted for number in range(1, 6)]
    assert accepted[:3] == ["broker", "broker", "outbox"]
    await until(lambda: heard and heard[-1] == 5, "the last one")
    assert heard == ([1, 2, 3, 3, 4, 5] if arrives else [1, 2, 3, 4, 5])


async def test_a_qos_0_publish_that_loses_its_connection_is_lost(plant: Plant) -> None:
    async with plant.device.stream("out") as heard:
        plant.line.disconnect_on_publish()
        assert (await plant.bus.publish("out", 1, qos=0)).accepted == "sent"
        await until(lambda: plant.bus.connected, "the connection back")
        await plant.bus.publish("out", 2)
        assert (await anext(heard)).json() == 2


async def test_a_stored_message_is_handled_from_the_disk_under_every_fault(plant: Plant) -> None:
    handled: list[int] = []

    async def handle(message: Message) -> None:
        handled.append(message.json())

    await plant.bus.subscribe("s", handle, ack="stored")
    plant.line.drop_acks(1)
    plant.line.duplicate(1)
    plant.line.stall()
    await plant.send(1, 2, topic="s")
    await until(lambda: plant.line.stuck == 2, "both on the way")
    plant.line.cut()
    await until(lambda: plant.line.stuck == 2, "both on the way again")
    plant.line.let_in()
    await until(lambda: handled and handled[-1] == 2, "the last one")
    assert list(dict.fromkeys(handled)) == [1, 2]
    plant.line.cut()
    await plant.quiet()


async def test_a_dead_letter_survives_the_loss_of_its_connection(plant: Plant) -> None:
    async def fail(message: Message) -> None:
        raise ValueError("always")

    async with record(plant.device, "dskity/dead-letter/#") as letters:
        await plant.bus.subscribe("f", fail)
        plant.line.disconnect_on_publish()
        await plant.send(1, topic="f")
        await plant.quiet()
        # Again, because its acknowledgement belonged to the connection that was lost.
        await until(lambda: len(letters) == 2, "the letters")
        assert [letter.payload for letter in letters] == [b"1", b"1"]


async def test_a_filter_keeps_a_fault_to_its_topics(plant: Plant) -> None:
    plant.line.drop_acks(filter="t/b")
    plant.line.duplicate(filter="t/b")
    plant.line.reorder(filter="t/{other}")
    plant.line.stall(filter="t/b")
    plant.line.disconnect_on_publish(filter="t/b")
    await plant.send(1, 2)
    await plant.send(1, topic="t/b")
    await until(lambda: plant.line.stuck == 1, "the one on t/b")
    assert plant.handled == [("t/a", 2), ("t/a", 1)]
    assert (await plant.bus.publish("out", 1)).accepted == "broker"
    plant.line.let_in()
    await until(lambda: plant.numbers("t/b") == [1, 1], "it and its duplicate")


async def test_a_fault_that_can_never_happen_is_refused(plant: Plant) -> None:
    with pytest.raises(InvalidInput, match="at least once"):
        plant.line.drop_acks(0)
    with pytest.raises(InvalidTopic):
        plant.line.stall(filter="a/#/b")
    stranger = Bus(ScriptedTransport(plant.broker, "stranger"), plant.bus._dispatcher)
    with pytest.raises(NotFound, match="it made device, plant"):
        plant.broker.client(stranger)


async def test_nothing_comes_before_the_start() -> None:
    transport = ScriptedTransport(ScriptedBroker())
    with pytest.raises(AssertionError, match="before the transport was started"):
        transport._hand_on(Delivery("t", b"", 0, retain=False, duplicate=False))
