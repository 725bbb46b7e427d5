"""A time-out that could not be written down is not forgotten."""

from __future__ import annotations

import pytest

from dskity.bus.base import tasks
from dskity.bus.base.clock import VirtualClock
from dskity.modules.commands.ledger import Ledger
from dskity.modules.commands.service import CommandService
from tests.breaking import Broken


async def test_a_time_out_that_fails_comes_again(
    commands: CommandService, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await commands.execute("nobody", "stop", ttl=5)
    Broken(monkeypatch, Ledger, "apply", OSError("disk full"))
    await clock.advance(5)
    assert tasks.health().failing == {"commands: deadlines": "OSError: disk full"}
    assert (await commands.get(execution.id)).state == "sent"
    await clock.advance(1.1)
    assert (await commands.get(execution.id)).state == "timed_out"
    assert tasks.health().failing == {}
