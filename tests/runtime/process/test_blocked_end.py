"""SIGTERM while handlers block, spin or ignore their end: the process exits within its grace."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.runtime.house import started, write_module
from tests.runtime.process.with_device import run_with_device
from tests.waiting import until

MODULE = """
    import asyncio, sys, threading

    from dskity.modules import Module, ModuleMeta, on

    class Stuck(Module):
        meta = ModuleMeta("stuck")

        @on("plain/{number}", timeout=0.1)
        def plain(self, number: str) -> None:
            print("blocked", number, flush=True)
            threading.Event().wait()

        @on("slow/{number}", timeout=None)
        def slow(self, number: str) -> None:
            print("blocked", number, flush=True)
            threading.Event().wait()

        @on("executor/{number}", timeout=None)
        async def executor(self, number: str) -> None:
            print("blocked", number, flush=True)
            await asyncio.to_thread(threading.Event().wait)

        @on("swallow/{number}", timeout=None)
        async def swallow(self, number: str) -> None:
            print("blocked", number, flush=True)
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass

        @on("child/{number}", timeout=None)
        async def child(self, number: str) -> None:
            await asyncio.create_task(self.swallow(number))

        @on("exit/{number}")
        async def exit(self, number: str) -> None:
            sys.exit(3)

        @on("other/{number}")
        def other(self, number: str) -> None:
            print("other", number, flush=True)
"""


NAMED = {
    "plain": "handler stuck.Stuck.plain on plain/.* still runs in 40 thread",
    "slow": "handler stuck.Stuck.slow on slow/.* still runs in 40 thread",
    "executor": "the process exits although this code still runs: .*thread asyncio_0",
    "swallow": "handler stuck.Stuck.swallow ignores its cancellation",
    "child": "the process exits although this code still runs: .*task Task-",
}


@pytest.mark.parametrize("kind", NAMED)
async def test_told_to_stop_it_exits_with_0_whatever_its_handlers_do(
    kind: str, tmp_path: Path
) -> None:
    write_module(tmp_path, "stuck.py", MODULE)
    async with run_with_device(tmp_path, grace="0.3") as (run, it):
        await it.publish("exit/0", b"")
        for number in range(40):
            await it.publish(f"{kind}/{number}", b"")
        await until(lambda: run.output.count("blocked") == 40, "all are blocked")
        await it.publish("other/1", b"")
        run.wait_for("other 1")
        run.tell(signal.SIGTERM)
        assert run.ended(8) == 0, run.output
        run.wait_for(NAMED[kind], 0)


async def test_the_setting_bounds_the_threads_of_plain_handlers(tmp_path: Path) -> None:
    """`bus.handler_threads`, over all handlers of the runtime; the default is 40."""
    async with started(tmp_path, broker={"engine": "builtin"}) as house:
        assert house.runtime.bus.threads.size == 40
    async with started(tmp_path, broker={"engine": "builtin"}, bus={"handler_threads": 2}) as house:
        begun: list[str] = []
        opened = threading.Event()

        def block(number: str) -> None:
            begun.append(number)
            opened.wait(20)

        try:
            await house.runtime.bus.subscribe("block/{number}", block)
            for number in range(5):
                await house.runtime.bus.publish(f"block/{number}")
            in_flight = house.runtime.core.connections["default"].dispatcher.in_flight
            await until(
                lambda: in_flight.messages == 5 and len(begun) == 2, "all came, two have threads"
            )
        finally:
            opened.set()
        await until(lambda: len(begun) == 5, "the others")
