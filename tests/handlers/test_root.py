"""`{root}` in a filter is the runtime's `bus.root`, wherever a module gives a filter."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from dskity.bus import topics
from dskity.bus.bus import Bus
from dskity.bus.errors import InvalidHandler, InvalidTopic
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.handlers import Dispatcher, declared, on
from dskity.modules.clients.mqtt_client import BusMqttClient
from dskity.modules.clients.tasks import Tasks
from tests.waiting import until

ROOT = "plant/hall-1"


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    """A bus with a root of two levels."""
    dispatcher = Dispatcher()
    bus = Bus(MemoryTransport(MemoryBroker()), dispatcher, root=ROOT)
    await bus.start()
    yield bus
    await dispatcher.close()
    await bus.close()


class Sessions:
    """A handler on an event of the runtime."""

    def __init__(self) -> None:
        self.gone: list[str] = []

    @on("{root}/kv/expired/sessions/{id}", order_by="id")
    async def expired(self, message: Message, id: str) -> None:
        self.gone.append(f"{id} {message.topic}")


async def test_a_handler_s_filter_begins_with_the_root_of_its_bus(bus: Bus) -> None:
    """And `{root}` is no capture: the levels behind it are."""
    sessions = Sessions()
    (mark,) = declared(sessions)
    subscription = await bus.subscribe(mark.filter, mark.handler, **mark.policy)
    assert subscription.filter == f"{ROOT}/kv/expired/sessions/{{id}}"
    assert subscription.pattern.names == ("id",)
    await bus.publish(f"{ROOT}/kv/expired/sessions/42")
    await bus.publish("dskity/kv/expired/sessions/43")
    await until(lambda: sessions.gone, "the handler has run")
    assert sessions.gone == [f"42 {ROOT}/kv/expired/sessions/42"]


async def test_streams_and_the_mqtt_client_know_it_too(bus: Bus) -> None:
    seen: list[str] = []

    def hear(message: Message) -> None:
        seen.append(message.topic)

    tasks = Tasks(logging.getLogger("tests"))
    mqtt = BusMqttClient(bus, tasks)
    mqtt.subscribe("{root}/x/+", qos=0)
    mqtt.add_message_handler("{root}/x/+", hear)
    await tasks.settle()
    async with bus.stream("{root}/x/#") as messages:
        await bus.publish(f"{ROOT}/x/1")
        assert (await anext(messages)).topic == f"{ROOT}/x/1"
    await until(lambda: seen == [f"{ROOT}/x/1"], "the client's handler has run")


async def test_the_bus_s_own_topics_stay_its_own(bus: Bus) -> None:
    with pytest.raises(InvalidTopic, match="reserved for replies"):
        await bus.subscribe("{root}/reply/#", Sessions().expired)


@pytest.mark.parametrize("text", ["a/{root}", "{root}/{root}", "a/{root...}", "{root...}"])
def test_root_is_the_whole_first_level_or_an_error(text: str) -> None:
    with pytest.raises(
        InvalidTopic, match=r"is the runtime's bus\.root, and can only be the whole"
    ):
        on(text)


@pytest.mark.parametrize("text", ["x{root}/a", "{root}x/a"])
def test_a_part_of_a_level_is_no_root(text: str) -> None:
    with pytest.raises(InvalidTopic, match="is not a capture"):
        on(text)


def test_where_the_root_is_not_known_the_error_says_to_write_its_value() -> None:
    """In settings, for example, where it would else take any first level."""
    with pytest.raises(InvalidTopic, match=r"write the value of bus\.root"):
        topics.parse("{root}/kv/#")


def test_a_root_that_makes_the_filter_too_long_is_refused() -> None:
    with pytest.raises(InvalidTopic, match="bytes"):
        topics.parse("{root}/" + "x" * 65_500, "r" * 100)


async def test_a_parameter_named_root_is_refused_beside_it(bus: Bus) -> None:
    """It would be the payload; whoever writes it expects the level."""

    async def handler(root: str, id: str) -> None: ...

    with pytest.raises(InvalidHandler, match=r"rename the parameter.*bus\.root"):
        bus.check("{root}/kv/expired/{id}", handler)
    bus.check("kv/expired/{id}", handler)  # here it is a payload's name like any other
