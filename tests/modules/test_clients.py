"""`clients.mqtt` and `clients.events`."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime
from typing import Any

import pytest

from dskity.bus.errors import InvalidHandler, InvalidInput, InvalidPayload, InvalidTopic
from dskity.bus.memory import MemoryBroker
from dskity.bus.message import Message
from dskity.modules.clients.events_client import BusEvents
from dskity.modules.clients.mqtt_client import BusMqttClient
from dskity.modules.clients.tasks import Tasks
from tests.house_bus import House, memory_house
from tests.modules.conftest import clients_of
from tests.waiting import until

NOTHING_TAKEN: Any = lambda: None  # noqa: E731  # a handler without its argument


class Collector:
    """Handlers that remember."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def plain(self, item: Any) -> None:
        self.got.append(item)

    async def coroutine(self, item: Any) -> None:
        self.got.append(item)

    def topics(self) -> list[str]:
        return [message.topic for message in self.got]


def mqtt_of(house: House) -> tuple[BusMqttClient, Tasks]:
    """A module's client."""
    tasks = Tasks(logging.getLogger("tests"))
    return BusMqttClient(house.bus, tasks), tasks


async def test_mqtt_handlers_may_be_plain_or_async() -> None:
    """Both get a `Message`; the filter may have captures and wildcards."""
    async with memory_house() as house:
        mqtt, tasks = mqtt_of(house)
        plain, coroutine = Collector(), Collector()
        mqtt.add_message_handler("devices/+/state", plain.plain)
        mqtt.add_message_handler("devices/{device}/state", coroutine.coroutine)
        await tasks.settle()
        assert mqtt.is_connected
        receipt = await mqtt.publish("devices/7/state", {"on": True}, qos=1, retain=True)
        assert receipt.accepted == "broker"
        await until(lambda: plain.got and coroutine.got, "both are called")
        assert coroutine.got[0].json() == plain.got[0].json() == {"on": True}


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
async def test_mqtt_subscribe_says_with_which_qos(first: bool) -> None:
    """Before or just after the handler is added."""
    async with memory_house() as house:
        mqtt, tasks = mqtt_of(house)
        seen = Collector()
        if first:
            mqtt.subscribe("a", qos=0)
        mqtt.add_message_handler("a", seen.coroutine)
        if not first:
            mqtt.subscribe("a", qos=0)
        await tasks.settle()
        await mqtt.publish("a", qos=1)
        await until(lambda: seen.got, "it is called")
        assert seen.got[0].qos == 0


async def test_mqtt_refuses_at_once_what_cannot_work() -> None:
    """So that the line in the module is in the traceback."""
    async with memory_house() as house:
        mqtt, _ = mqtt_of(house)
        with pytest.raises(InvalidTopic):
            mqtt.subscribe("a/#/c")
        with pytest.raises(InvalidInput, match="write 0, 1 or 2"):
            mqtt.subscribe("a", qos=3)
        with pytest.raises(InvalidTopic):
            mqtt.add_message_handler("a+", print)
        with pytest.raises(InvalidHandler, match="called with one argument"):
            mqtt.add_message_handler("a", NOTHING_TAKEN)
        with pytest.raises(InvalidHandler, match="not callable"):
            mqtt.add_message_handler("a", "no")  # type: ignore[arg-type]


async def test_an_error_of_a_started_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Once nobody settles them any more; none stays in memory."""
    tasks = Tasks(logging.getLogger("tests"), held=True)

    async def fail() -> None:
        raise ValueError("late")

    tasks.go_live()
    tasks.spawn(fail(), "subscribe late")
    await until(lambda: caplog.records, "the record")
    assert "subscribe late: late" in caplog.text
    assert not tasks._tasks


async def test_emit_calls_the_local_handlers_and_counts_them() -> None:
    """A failing one is logged, the next is called all the same, and nothing comes back."""
    seen = Collector()

    def fails(data: Any) -> None:
        raise ValueError(data)

    async with memory_house() as house, clients_of(house) as (clients, _):
        clients.events.on("order.created", fails)
        clients.events.on("order.created", seen.coroutine)
        clients.events.on("other", seen.coroutine)
        watched = Collector()
        await house.bus.subscribe("dskity/events/#", watched.coroutine, order_by=None)
        assert await clients.events.emit("order.created", {"id": 7}) == 2
        assert await clients.events.emit("nobody") == 0
        await until(lambda: len(watched.got) == 2, "both are on the bus")
        assert seen.got == [{"id": 7}]


async def test_off_ends_a_handler() -> None:
    """Here and for events of other runtimes; ending what was never added is nothing."""
    seen = Collector()
    async with memory_house() as house, clients_of(house) as (clients, _):
        clients.events.on("x", seen.coroutine)
        clients.events.off("x", seen.coroutine)
        clients.events.off("x", seen.plain)
        assert await clients.events.emit("x") == 0
        await until(lambda: not house.bus.subscriptions, "the subscription is gone")


async def test_an_event_reaches_the_handlers_of_other_runtimes() -> None:
    """Once each, as data; the emitter's own handlers are not called twice."""
    broker = MemoryBroker()
    here, there = Collector(), Collector()
    async with (
        memory_house(broker=broker, client_id="a") as first,
        memory_house(broker=broker, client_id="b") as second,
        clients_of(first) as (ours, _),
        clients_of(second) as (theirs, _),
    ):
        ours.events.on("door/open #1", here.coroutine)
        theirs.events.on("door/open #1", there.plain)
        await until(lambda: second.bus.subscriptions and first.bus.subscriptions, "subscribed")
        assert await ours.events.emit("door/open #1", [1, None]) == 1
        assert await theirs.events.emit("door/open #1", 2) == 1
        await until(lambda: len(here.got) == len(there.got) == 2, "both hear both")
        assert (here.got, sorted(map(str, there.got))) == ([[1, None], 2], ["2", "[1, None]"])


async def test_an_event_is_a_structured_cloudevents_object() -> None:
    """On `{root}/events/{name}`, quoted."""
    seen: list[Message] = []

    async def watch(message: Message) -> None:
        seen.append(message)

    async with memory_house() as house, clients_of(house) as (clients, _):
        await house.bus.subscribe("dskity/events/#", watch)
        await clients.events.emit("a+b", {"x": 1})
        await until(lambda: seen, "it is on the bus")
    event = json.loads(seen[0].payload)
    assert (seen[0].topic, seen[0].retain) == ("dskity/events/a%2Bb", False)
    assert datetime.fromisoformat(event.pop("time")).tzinfo is not None
    assert len(event.pop("id")) == 32
    assert event == {
        "specversion": "1.0",
        "source": "/dskity/runtime/house",
        "type": "dev.dskity.event.v1",
        "subject": "a+b",
        "datacontenttype": "application/json",
        "data": {"x": 1},
    }


async def test_an_event_that_is_not_json_is_refused_before_anybody_hears_it() -> None:
    """The emitter gets the error."""
    seen = Collector()
    async with memory_house() as house, clients_of(house) as (clients, _):
        clients.events.on("x", seen.coroutine)
        with pytest.raises(InvalidPayload):
            await clients.events.emit("x", object())
        assert seen.got == []


async def test_foreign_bytes_on_an_event_topic_are_dead_lettered() -> None:
    """They are no CloudEvents object; the handler is not called."""
    seen, letters = Collector(), Collector()

    async def bury(message: Message) -> None:
        letters.got.append(message)

    async with memory_house() as house, clients_of(house) as (clients, _):
        clients.events.on("x", seen.coroutine)
        await house.bus.subscribe("dskity/dead-letter/#", bury)
        await until(lambda: len(house.bus.subscriptions) == 2, "subscribed")
        await house.bus.publish("dskity/events/x", "[1]")
        await until(lambda: letters.topics() == ["dskity/dead-letter/dskity/events/x"], "buried")
        assert seen.got == []


async def test_events_wait_for_an_absent_broker() -> None:
    """`emit` returns at once; they leave in order when it is back."""
    seen: list[int] = []

    async def watch(event: dict[str, Any]) -> None:
        seen.append(event["data"])

    async with memory_house(publish_timeout=0.05) as house, clients_of(house) as (_, events):
        await house.bus.subscribe("dskity/events/n", watch)
        house.broker.stop()
        events.publisher.start()
        async with asyncio.timeout(1):
            for number in range(5):
                await events.emit("n", number)
        house.broker.start()
        await until(lambda: len(seen) == 5, "all have left")
        assert seen == [0, 1, 2, 3, 4]


async def test_scopes_share_listeners_and_clear_only_their_own() -> None:
    """As two modules of one runtime."""
    one, two = Collector(), Collector()
    async with memory_house() as house, clients_of(house) as (_, root):
        tasks = Tasks(logging.getLogger("tests"))
        scopes: list[BusEvents] = [root.scope(house.bus.scope(n), tasks) for n in ("a", "b")]
        scopes[0].on("x", one.coroutine)
        scopes[1].on("x", two.coroutine)
        assert await root.emit("x", 1) == 2
        scopes[0].clear()
        assert await root.emit("x", 2) == 1
        assert (one.got, two.got) == ([1], [1, 2])
        await tasks.close()
