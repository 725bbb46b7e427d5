"""Sending dead letters back: what succeeds now, what fails again, and what is refused."""

from __future__ import annotations

import pytest

from dskity.bus.bus import Bus
from dskity.bus.errors import RemoteError
from dskity.bus.memory import MemoryBroker
from dskity.bus.message import Message
from tests.dead_letters.post import ONCE, dead_letters, letter_of
from tests.house_bus import memory_house
from tests.waiting import until


class Till:
    """A handler that fails while it is `broken`."""

    def __init__(self) -> None:
        self.broken = True
        self.sold: list[Message] = []

    async def sell(self, message: Message) -> None:
        if self.broken:
            raise RuntimeError("no paper")
        self.sold.append(message)


async def till_on(bus: Bus) -> Till:
    till = Till()
    await bus.subscribe("shop/{till}/sale", till.sell, retry=ONCE)
    return till


async def test_a_message_that_succeeds_now_is_handled_as_it_was_sent() -> None:
    """With its headers and content type, without those of the failure; then it is gone."""
    async with memory_house() as house, dead_letters(house.bus) as post:
        till = await till_on(house.bus)
        await house.bus.publish(
            "shop/1/sale", b"\xff;7", headers={"site": "north"}, content_type="text/csv"
        )
        [entry] = await post.letters(1)
        assert (entry["topic"], entry["replays"]) == ("shop/1/sale", 0)
        till.broken = False
        assert await post.ask("replay", ids=[entry["id"]]) == {"replayed": 1, "failed": []}
        await until(lambda: till.sold, "the sale")
        sale = till.sold[0]
        assert (sale.payload, sale.content_type, sale.qos) == (b"\xff;7", "text/csv", 1)
        assert sale.headers == {"site": "north", "dskity-replays": "1"}
        assert await post.letters(0) == []


async def test_a_message_that_fails_again_is_a_new_dead_letter_with_the_count_carried_on() -> None:
    async with memory_house() as house, dead_letters(house.bus) as post:
        till = await till_on(house.bus)
        await house.bus.publish("shop/1/sale", b"7", headers={"site": "north"})
        [entry] = await post.letters(1)
        ids = [entry["id"]]
        for replays in (1, 2, 3):
            assert (await post.ask("replay", filter={}))["replayed"] == 1
            await post.added(replays + 1)
            [entry] = await post.letters(1)
            assert (entry["replays"], entry["error"]) == (replays, "RuntimeError: no paper")
            ids.append(entry["id"])
        assert ids == sorted(set(ids))
        till.broken = False
        await post.ask("replay", filter={})
        await until(lambda: till.sold, "the sale")
        assert till.sold[0].headers == {"site": "north", "dskity-replays": "4"}


async def test_what_fails_again_meanwhile_is_not_replayed_by_the_same_request() -> None:
    """It would never end."""
    async with memory_house() as house, dead_letters(house.bus) as post:
        await till_on(house.bus)
        for number in range(250):
            await house.bus.publish(f"shop/{number % 7}/sale", number)
        await post.letters(250)
        assert (await post.ask("replay", filter={}))["replayed"] == 250
        assert {entry["replays"] for entry in await post.letters(250)} == {1}


async def test_messages_of_a_topic_are_replayed_in_the_order_in_which_they_failed() -> None:
    async with memory_house() as house, dead_letters(house.bus) as post:
        till = await till_on(house.bus)
        for number in range(250):
            await house.bus.publish("shop/1/sale", number)
        await post.letters(250)
        till.broken = False
        await post.ask("replay", filter={"topic": "shop/1/{what}"})
        await until(lambda: len(till.sold) == 250, "all sold")
        assert [sale.json() for sale in till.sold] == list(range(250))


async def test_what_may_not_be_published_stays_and_the_rest_is_replayed() -> None:
    async with memory_house() as house, dead_letters(house.bus) as post:
        for topic in ("$SYS/load", "a"):
            await house.bus.send(letter_of(topic))
        await post.letters(2)
        async with house.bus.stream("a") as messages:
            answer = await post.ask("replay", filter={})
            assert (await anext(messages)).payload == b"x"
        [entry] = await post.letters(1)
        assert answer["replayed"] == 1
        assert answer["failed"][0]["id"] == entry["id"]
        assert "'$SYS/load' starts with '$'" in answer["failed"][0]["detail"]


async def test_an_unknown_id_is_refused_before_anything_is_replayed_or_dropped() -> None:
    async with memory_house() as house, dead_letters(house.bus) as post:
        await house.bus.send(letter_of("a"))
        [entry] = await post.letters(1)
        for verb in ("replay", "drop"):
            with pytest.raises(RemoteError, match="no dead letter 'b', 'c', 'd' and 1 more") as e:
                await post.ask(verb, ids=[entry["id"], "b", "c", "d", "e"])
            assert e.value.status == 404
        assert await post.letters(1) == [entry]


async def test_a_letter_of_a_named_connection_is_replayed_there() -> None:
    """Each broker has its own; the list says which one."""
    async with memory_house() as house, memory_house(broker=MemoryBroker()) as far:
        house.bus.add_connection("cloud", far.bus)
        async with dead_letters(house.bus, connections=["cloud"]) as post:
            till = await till_on(far.bus)
            await far.bus.publish("shop/1/sale", b"7")
            [entry] = await post.letters(1)
            assert entry["connection"] == "cloud"
            till.broken = False
            await post.ask("replay", ids=[entry["id"]])
            await until(lambda: till.sold, "the sale")


async def test_two_runtimes_keep_the_same_letters_and_one_of_them_replays() -> None:
    """Whichever answers; the other forgets what was sent back or dropped."""
    async with (
        memory_house() as house,
        memory_house(broker=house.broker, client_id="other") as other,
        dead_letters(house.bus) as first,
        dead_letters(other.bus) as second,
        house.bus.stream("a") as messages,
    ):
        for number in range(4):
            await house.bus.send(letter_of("a", b"%d" % number, at=number))
        ids = [entry["id"] for entry in await first.letters(4)]
        for post in (first, second):
            await post.has(*ids)
        for id in ids[:2]:  # the broker gives one to each
            assert (await first.ask("replay", ids=[id]))["replayed"] == 1
        assert (await first.ask("drop", ids=[ids[2]]))["dropped"] == 1
        for post in (first, second):
            await post.has(ids[3])
        await house.bus.publish("a", b"end")
        assert [(await anext(messages)).payload for _ in range(3)] == [b"0", b"1", b"end"]
