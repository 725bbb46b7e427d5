"""A request to a handler with `ack="stored"` keeps the place of the handler that asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.store.spool import Spool
from dskity.handlers import Dispatcher, RetryPolicy
from tests.waiting import until


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_stored_handler_that_asks_itself_goes_as_deep_as_it_is_asked(
    tmp_path: Path, concurrency: int
) -> None:
    """Each request takes the place of the one that waits for it, past what is read ahead; the
    messages behind them wait."""
    inbox = Spool(tmp_path / "inbox.db", what="the inbox")
    await inbox.open()
    dispatcher = Dispatcher(inbox=inbox)
    bus = Bus(MemoryTransport(MemoryBroker()), dispatcher)
    await bus.start()
    answers: list[str] = []

    async def work(n: str, depth: int) -> str:
        answer = "bottom" if depth == 0 else (await bus.request(f"work/{n}/{depth - 1}")).text()
        if depth == 7:
            answers.append(answer)
        return answer

    once = RetryPolicy(attempts=1)
    await bus.subscribe("work/{n}/{depth}", work, ack="stored", concurrency=concurrency, retry=once)
    for number in range(10):
        await bus.publish(f"work/{number}/7")
    await until(lambda: len(answers) == 10, f"all, not {len(answers)}")
    assert set(answers) == {"bottom"}
    await until(lambda: inbox.messages == 0, "nothing is left on the disk")
    await dispatcher.close()
    await bus.close()
    await inbox.close()
