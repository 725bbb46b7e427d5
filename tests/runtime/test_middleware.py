"""Middleware of a whole runtime: given to `start`, without a setting."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dskity.bootstrap import bootstrap, start
from dskity.bus.errors import InvalidHandler
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.middleware import Call, Next
from dskity.handlers import on
from dskity.modules.contract import Module, ModuleMeta
from tests.runtime.house import settings_in
from tests.waiting import until


class Plant(Module):
    """Handles messages of two brokers."""

    meta = ModuleMeta("plant")

    @on("here/+")
    async def here(self, message: Message) -> None: ...

    @on("there/+", connection="far")
    async def there(self, message: Message) -> None: ...


async def test_it_runs_round_the_handlers_of_all_modules_on_all_connections(tmp_path: Path) -> None:
    calls: list[tuple[str, str]] = []

    async def note(call: Call, message: Message, next: Next) -> Any:
        calls.append((call.module, call.filter))
        return await next(call, message)

    near, far = MemoryBroker(), MemoryBroker()
    settings = settings_in(
        tmp_path, mqtt={"far": {"url": "mqtt://localhost:1"}}, http={"enabled": False}
    )
    async with await start(
        settings,
        modules=[Plant()],
        transport=MemoryTransport(near, "box"),
        transports={"far": MemoryTransport(far, "box-far")},
        middleware=[note],
    ) as runtime:
        near.publish(Message("here/1"))
        far.publish(Message("there/2"))
        await until(lambda: len(calls) == 2, "both messages")
        assert set(calls) == {("plant", "here/+"), ("plant", "there/+")}
        calls.clear()
        await runtime.clients.bus.request("dskity/kv/keys", {}, timeout=5)
        assert calls == [("kv", "dskity/kv/keys")], "our own modules are modules like others"


def test_what_is_no_middleware_is_refused_before_anything_starts(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with pytest.raises(InvalidHandler, match="print is not an async function"):
        asyncio.run(start(settings, middleware=[print]))  # type: ignore[list-item]
    with pytest.raises(InvalidHandler, match="print is not an async function"):
        bootstrap(settings=settings, middleware=[print])  # type: ignore[list-item]
    assert not (tmp_path / "state").exists()
