"""The module: starts and stops the service, and answers `{root}/commands/execute`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import sentinel

import pytest

from dskity.bus.bus import Bus
from dskity.bus.errors import RemoteError, Unavailable
from dskity.bus.memory import MemoryBroker
from dskity.modules.commands.module import CommandsModule
from dskity.modules.commands.service import CommandService
from dskity.modules.contract import TransportClients
from tests.commands.devices import Device, connected
from tests.given import given
from tests.waiting import until


@pytest.fixture
async def caller(broker: MemoryBroker) -> AsyncIterator[Bus]:
    """Another client of the broker."""
    async with connected(broker, "caller") as bus:
        yield bus


@pytest.fixture
async def module(bus: Bus) -> AsyncIterator[CommandsModule]:
    """The module, started; of the clients it needs the bus alone."""
    service = CommandService(bus)
    module = CommandsModule(lambda _: service)
    others = dict.fromkeys(("mqtt", "http", "grpc", "events"), sentinel.unused)
    clients = TransportClients(
        bus=bus.scope("commands"), logger=logging.getLogger("test"), providers=given(), **others
    )
    module.register(clients, None)
    await module.on_startup(clients)
    yield module
    await module.on_shutdown(clients)


async def ask(caller: Bus, **body: Any) -> Any:
    return (await caller.request("dskity/commands/execute", body)).json()


async def test_a_request_on_the_bus_executes_a_command(
    module: CommandsModule, caller: Bus, device: Device
) -> None:
    """The reply is the execution, with its end if that came within `wait`."""
    asked = asyncio.create_task(
        ask(caller, target="vent", command="open", payload={"percent": 40}, wait=3)
    )
    await until(lambda: device.requests, "the command")
    await device.reply(device.requests[0], result=40)
    answer = await asked
    assert (answer["state"], answer["result"], answer["target"]) == ("succeeded", 40, "vent")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"command": "open"}, 422),
        ({"target": "vent", "command": "open", "wait": -1}, 422),
        ({"target": "vent", "command": "open", "colour": "red"}, 422),
        ({"target": "a/b", "command": "open"}, 400),
        ({"target": "ghost", "command": "open", "require_responder": True}, 404),
    ],
)
async def test_a_request_that_cannot_be_fulfilled_is_answered_with_its_problem(
    module: CommandsModule, caller: Bus, body: dict[str, Any], status: int
) -> None:
    """With the status that HTTP has for it."""
    with pytest.raises(RemoteError) as caught:
        await ask(caller, **body)
    assert caught.value.status == status


async def test_a_slow_command_holds_up_no_other(
    module: CommandsModule, caller: Bus, device: Device
) -> None:
    """Two at once, each answered by its own reply."""
    slow = asyncio.create_task(ask(caller, target="vent", command="slow", wait=3))
    await until(lambda: device.requests, "the slow command")
    quick = await ask(caller, target="vent", command="quick")
    assert quick["state"] == "sent"
    await device.reply(device.requests[0])
    assert (await slow)["state"] == "succeeded"


async def test_a_service_that_does_not_run_takes_no_commands(bus: Bus) -> None:
    """Nobody would take the answers; it can be stopped and started again."""
    service = CommandService(bus)
    await service.stop()
    for _ in range(2):
        with pytest.raises(Unavailable, match="not available"):
            await service.execute("vent", "open")
        await service.start()
        await service.start()
        assert (await service.execute("vent", "open")).state == "sent"
        await service.stop()
        await service.stop()
    assert len(await service.list()) == 2
