"""Two runtimes at one broker: a command is sent once, whoever is asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster

from dskity.bus.bus import Bus
from dskity.bus.message import Message
from dskity.handlers import Dispatcher
from dskity.modules.commands.claims import Round, identity
from tests.commands.test_real_devices import V311, Answer, device
from tests.contract.cells import Cell
from tests.contract.house import House as BrokerHouse
from tests.contract.house import mqtt, open_house
from tests.runtime.house import House, on_broker, started
from tests.servers import redis_server
from tests.waiting import until

BROKERS = ("mosquitto-5", "mosquitto-3.1.1", "builtin-5", "amqtt")
MANY = 20
EXECUTE = "dskity/commands/execute"


@pytest.fixture
def watched_loop(watched_loop: BlockBuster) -> BlockBuster:
    """As for every test that starts a whole runtime."""
    for function in watched_loop.functions.values():
        function.can_block_in("dskity/bootstrap.py", {"start"})
    return watched_loop


@dataclass
class Site:
    """Two runtimes, a caller, and what the device `vent` got."""

    left: House
    right: House
    caller: Bus
    got: list[bytes]

    @property
    def ids(self) -> list[str]:
        """The executions that the device was asked for."""
        return [json.loads(payload)["id"] for payload in self.got]


@contextlib.asynccontextmanager
async def site(broker: str, folder: Path, **changes: Any) -> AsyncIterator[Site]:
    """All of them at one broker, which is real, and so is the device."""
    cell = Cell("aiomqtt", broker)  # type: ignore[arg-type]  # a literal
    protocol = {"mosquitto-5": "5", "mosquitto-3.1.1": "3.1.1"}.get(broker, "auto")
    async with contextlib.AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(cell))
        runtimes = []
        for name in ("left", "right"):
            (folder / name).mkdir()
            common = on_broker(house.broker.port, client_id=name, protocol=protocol)
            own = started(folder / name, common=common, **changes)
            runtimes.append(await stack.enter_async_context(own))
        caller = await stack.enter_async_context(_caller(house))
        got = await stack.enter_async_context(device(house.broker, V311, _done))  # type: ignore[arg-type]
        yield Site(runtimes[0], runtimes[1], caller, got)


@contextlib.asynccontextmanager
async def _caller(house: BrokerHouse) -> AsyncIterator[Bus]:
    dispatcher = Dispatcher()
    bus = Bus(mqtt(house.cell, "caller", house.broker.port), dispatcher)
    await bus.start()
    await bus.link.wait_connected(5)
    try:
        yield bus
    finally:
        await dispatcher.close()
        await bus.close()


def _on_reply_topic(client: Any, message: Any) -> None:
    reply = {"id": json.loads(message.payload)["id"], "state": "succeeded", "result": "done"}
    client.publish(f"{message.topic}/reply", json.dumps(reply), qos=1)


_done: Answer = _on_reply_topic


@pytest.mark.parametrize("broker", BROKERS)
async def test_a_request_is_answered_by_one_and_the_device_is_asked_once(
    broker: str, tmp_path: Path
) -> None:
    """By a group where the broker has them, and by the first claim where it has none."""
    async with site(broker, tmp_path) as both:
        body = {"target": "vent", "command": "open", "wait": 5}
        answers = await asyncio.gather(
            *(both.caller.request(EXECUTE, body, timeout=8) for _ in range(MANY))
        )
        executions = [answer.json() for answer in answers]
        assert {each["state"] for each in executions} == {"succeeded"}
        assert sorted(both.ids) == sorted(each["id"] for each in executions)
        assert len(set(both.ids)) == MANY


@pytest.mark.parametrize("broker", BROKERS)
async def test_what_is_published_without_a_reply_address_is_done_once_each(
    broker: str, tmp_path: Path
) -> None:
    """Also when it is the same text each time: each is a command of its own."""
    async with site(broker, tmp_path) as both:
        for _ in range(MANY):
            await both.caller.publish(EXECUTE, {"target": "vent", "command": "toggle"}, qos=1)
        await until(lambda: len(both.got) >= MANY, f"each of them: {len(both.got)}")
        body = {"target": "vent", "command": "last", "wait": 5}
        await both.caller.request(EXECUTE, body, timeout=8)
        assert len(set(both.ids)) == len(both.got) == MANY + 1


@pytest.mark.parametrize("broker", ["mosquitto-5", "amqtt"])
async def test_an_idempotency_key_holds_for_all_who_share_a_store(
    broker: str, tmp_path: Path
) -> None:
    """A real Redis. Asked at both doors at once, and once more when it has ended."""
    with redis_server() as redis:
        kv = {"store": "redis", "redis": {"url": f"redis://127.0.0.1:{redis.port}/0"}}
        async with site(broker, tmp_path, kv=kv) as both:
            houses = (both.left, both.right)
            key = {"Idempotency-Key": "order-1"}
            answers = await asyncio.gather(
                *(
                    house.http.post("/commands/vent/open?wait=5", headers=key)
                    for house in houses * 3
                )
            )
            again = [await house.http.post("/commands/vent/open", headers=key) for house in houses]
            other = await both.right.http.post("/commands/vent/close", headers=key)
            assert [answer.status_code for answer in answers] == [200] * 6
            ids = {answer.json()["id"] for answer in (*answers, *again)}
            assert both.ids == list(ids)
            assert {answer.json()["state"] for answer in (*answers, *again)} == {"succeeded"}
            assert other.status_code == 409


def test_the_first_claim_for_a_request_wins() -> None:
    """Its author may claim it once more: the broker had sent it again."""
    claims = Round(once=True, at=0.0)
    assert claims.claim("left")
    assert not claims.claim("right")
    assert not claims.claim("right")


def test_equal_requests_are_counted() -> None:
    """Each is won by whoever claims so many first, in any order of the claims."""
    claims = Round(once=False, at=0.0)
    order = ("left", "right", "right", "left", "left", "right", "right", "left")
    assert [name for name in order if claims.claim(name)] == ["left", "right", "left", "right"]


def test_a_request_is_known_by_its_correlation() -> None:
    """Or by its text, where it has none."""
    one = Message("t", b"a", reply_to="r", correlation=b"1")
    assert identity(one) == identity(Message("t", b"b", reply_to="r", correlation=b"1"))
    assert identity(one) != identity(Message("t", b"a", reply_to="r", correlation=b"2"))
    assert identity(Message("t", b"a")) == identity(Message("t", b"a"))
    assert identity(Message("t", b"a")) != identity(Message("t", b"b"))
