"""The middleware of a module: the class attribute, and `clients.bus.use`."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dskity.bus.message import Message
from dskity.bus.middleware import Call, Next
from dskity.handlers import on
from dskity.modules.contract import Module, ModuleMeta, TransportClients
from tests.modules.conftest import Folder, staged
from tests.waiting import until

LOG: list[str] = []
"""What has happened in the test that runs."""


@pytest.fixture(autouse=True)
def empty_log() -> None:
    LOG.clear()


async def timing(call: Call, message: Message, next: Next) -> Any:
    LOG.append(f"timing {call.module}")
    return await next(call, message)


class Climate(Module):
    """One with a middleware of the class, and a method of its own."""

    meta = ModuleMeta("climate")
    middleware = (timing,)

    def register(self, clients: TransportClients, config: Any) -> None:
        clients.bus.use(self.checking)
        clients.mqtt.add_message_handler("old/+", self.old)

    async def checking(self, call: Call, message: Message, next: Next) -> Any:
        LOG.append(f"checking {call.filter}")
        return await next(call, message)

    @on("new/{name}")
    async def new(self, name: str) -> None:
        LOG.append(f"climate: new {name}")

    async def old(self, message: Message) -> None:
        LOG.append(f"climate: {message.topic}")


class Other(Module):
    """One without."""

    meta = ModuleMeta("other")

    @on("new/a")
    async def new(self, message: Message) -> None:
        LOG.append(f"other: {message.topic}")


async def test_it_runs_round_every_handler_of_the_module_and_of_no_other() -> None:
    """Also round what it subscribes in `register`, by the names of DSkity 1."""
    async with staged(builtins=(Climate(), Other())) as stage:
        await stage.supervisor.start()
        await stage.house.bus.publish("new/a")
        await until(lambda: {"climate: new a", "other: new/a"} <= set(LOG), "both modules")
        climate = [line for line in LOG if not line.startswith("other")]
        assert climate == ["timing climate", "checking new/{name}", "climate: new a"]
        LOG.clear()
        await stage.house.bus.publish("old/b")
        await until(lambda: "climate: old/b" in LOG, "the other handler")
        assert LOG == ["timing climate", "checking old/+", "climate: old/b"]


async def test_it_is_there_once_after_the_module_was_quarantined() -> None:
    async with staged(builtins=(Climate(),)) as stage:
        await stage.supervisor.start()
        await stage.supervisor.quarantine("climate", "for the test")
        await stage.supervisor.resume("climate")
        await stage.house.bus.publish("new/a")
        await until(lambda: "climate: new a" in LOG, "it is handled")
        assert LOG == ["timing climate", "checking new/{name}", "climate: new a"]


WRONG = """
    from dskity import Module, ModuleMeta

    class Wrong(Module):
        meta = ModuleMeta("wrong")
        middleware = {}
"""


@pytest.mark.parametrize(
    ("middleware", "says"),
    [
        ("print", "Wrong.middleware = <built-in function print>: write a list"),
        ("[lambda call, message, next: None]", "is not an async function, .*: write `async def"),
    ],
)
async def test_a_module_whose_middleware_is_none_fails_alone_and_says_what_to_write(
    folder: Folder, middleware: str, says: str
) -> None:
    folder.write("wrong.py", WRONG.format(middleware))
    async with staged(folder.path, builtins=(Other(),)) as stage:
        await stage.supervisor.start()
        states = stage.supervisor.states()
    assert {name: status.state for name, status in states.items()} == {
        "other": "started",
        "wrong": "failed",
    }
    assert re.search(says, states["wrong"].reason)
