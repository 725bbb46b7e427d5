"""`kv.events.value`: the events of a key's end carry its last value, within bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dskity import KvDeleted, KvExpired, Message
from dskity.bus.base.clock import VirtualClock
from dskity.bus.memory import CAPABILITIES
from dskity.composition.built_ins import Given
from dskity.composition.built_ins import kv as made_of
from dskity.modules.kv.last_values import MAX_VALUE, MAX_WAITING
from dskity.modules.kv.module import build_kv
from dskity.modules.kv.service import KeyValue
from dskity.testing import isolated_settings
from tests.house_bus import House, memory_house
from tests.waiting import until

LIMIT = 4_096


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def house(clock: VirtualClock) -> AsyncIterator[House]:
    """A broker that says which packets it takes."""
    can = replace(CAPABILITIES, max_packet=LIMIT)
    async with memory_house(clock=clock, capabilities=can) as house:
        yield house


@pytest.fixture
async def kv(house: House, clock: VirtualClock) -> AsyncIterator[KeyValue]:
    kv = build_kv("inmemory", bus=house.bus, clock=clock, last_values=True)
    await kv.start()
    yield kv
    await kv.stop()


@pytest.fixture
async def ended(house: House) -> list[KvDeleted | KvExpired]:
    """The events of keys that ended."""
    found: list[KvDeleted | KvExpired] = []

    async def end(event: KvDeleted | KvExpired) -> None:
        found.append(event)

    for kind in ("deleted", "expired"):
        await house.bus.subscribe(f"{{root}}/kv/{kind}/#", end)
    return found


async def test_the_events_of_a_key_s_end_carry_its_value(
    kv: KeyValue, clock: VirtualClock, ended: list[Any]
) -> None:
    await kv.put("a", {"user": "ada"}, ttl_seconds=1)
    await clock.advance(2)
    await kv.put("b", None)
    await kv.delete("b")
    await until(lambda: len(ended) == 2, "both came")
    assert [(type(e), e.value, e.has_value) for e in ended] == [
        (KvExpired, {"user": "ada"}, True),
        (KvDeleted, None, True),
    ]


async def test_what_the_broker_does_not_take_is_left_out(kv: KeyValue, ended: list[Any]) -> None:
    """The event comes all the same, and says so."""
    for size in (LIMIT // 2, LIMIT - 100, LIMIT * 2):
        await kv.put("k", "x" * size)
        await kv.delete("k")
    await until(lambda: len(ended) == 3, "all came")
    assert [event.has_value for event in ended] == [True, False, False]
    assert [event.value for event in ended[1:]] == [None, None]


async def test_a_value_that_cannot_stand_inside_an_event_is_left_out(
    kv: KeyValue, ended: list[Any]
) -> None:
    """JSON from outside has 200 levels at most, and the event has two of its own."""
    deep: list[Any] = []
    for _ in range(199):
        deep = [deep]
    await kv.put("k", deep)
    await kv.delete("k")
    await until(lambda: ended, "it came")
    assert not ended[0].has_value


async def test_values_that_wait_for_the_broker_have_a_bound_in_bytes(
    house: House, kv: KeyValue, ended: list[Any]
) -> None:
    """Over it events wait without their values; what has left makes room again."""
    house.broker.stop()
    wanted = MAX_WAITING // MAX_VALUE
    for number in range(wanted + 10):
        await kv.put(f"k{number}", "x" * MAX_VALUE)
        await kv.delete(f"k{number}")
    assert kv._values.size == wanted * MAX_VALUE
    house.broker.start()
    await until(lambda: len(ended) == wanted + 10, "all came")
    await until(lambda: kv._values.size == 0, "none waits")


async def test_one_value_has_a_bound_of_its_own(clock: VirtualClock) -> None:
    async with memory_house(clock=clock) as house:
        kv = build_kv("inmemory", bus=house.bus, clock=clock, last_values=True)
        await kv.start()
        found: list[Any] = []

        async def end(event: KvDeleted) -> None:
            found.append(event.has_value)

        await house.bus.subscribe("{root}/kv/deleted/#", end)
        for size in (MAX_VALUE, MAX_VALUE + 1):
            await kv.put("k", "x" * size)
            await kv.delete("k")
        await until(lambda: len(found) == 2, "both came")
        assert found == [True, False]
        await kv.stop()


@pytest.mark.parametrize("value", [True, False])
async def test_the_setting_turns_it_on(house: House, tmp_path: Path, value: bool) -> None:
    """By default no value leaves the store with an event; that of a write never does."""
    settings = isolated_settings(tmp_path, kv={"events": {"value": value}})
    nothing: Any = None
    (module,) = made_of(Given(settings, house.bus, nothing, nothing, nothing, nothing))
    kv = module._kv
    await kv.start()
    found: list[Message] = []

    async def event(message: Message) -> None:
        found.append(message)

    await house.bus.subscribe("{root}/kv/+/k", event)
    await kv.put("k", "secret")
    await kv.delete("k")
    await until(lambda: len(found) == 2, "both came")
    data = {message.topic: message.json()["data"] for message in found}
    assert "value" not in data["dskity/kv/set/k"]
    deleted = data["dskity/kv/deleted/k"]
    assert ("value" in deleted, "has_value" in deleted) == (value, value)
    assert not value or (deleted["value"], deleted["has_value"]) == ("secret", True)
    await kv.stop()
