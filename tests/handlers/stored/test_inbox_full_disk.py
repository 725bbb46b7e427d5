"""An inbox from whose disk nothing can be deleted for now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import StoreUnavailable
from dskity.bus.memory import MemoryBroker
from tests.handlers.stored.test_stored_and_dedupe import on_disk
from tests.waiting import until


async def test_a_disk_on_which_nothing_can_be_deleted_holds_up_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is handled once by this process, and leaves the disk when that is possible."""
    clock = VirtualClock()
    async with on_disk(MemoryBroker(), tmp_path, clock=clock) as (bus, _, _, inbox):
        handled: list[int] = []

        async def handle(number: int) -> None:
            handled.append(number)

        remove, full = inbox.remove, True

        async def removes(ids: Sequence[int]) -> None:
            if full:
                raise StoreUnavailable("database or disk is full")
            await remove(ids)

        monkeypatch.setattr(inbox, "remove", removes)
        await bus.subscribe("t/{name}", handle, ack="stored", concurrency=1)
        for number in range(20):
            await bus.publish("t/a", number)

        async def all_handled() -> bool:
            await clock.advance(1)
            return len(handled) == 20

        await until(all_handled, "all are handled")
        assert handled == list(range(20))
        assert inbox.messages == 20
        assert "cannot be written" in caplog.text
        full = False

        async def emptied() -> bool:
            await clock.advance(1)
            return inbox.messages == 0

        await until(emptied, "the file empty")
        assert handled == list(range(20))
