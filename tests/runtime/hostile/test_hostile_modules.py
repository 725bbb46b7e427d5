"""`dskity run` with modules that block the loop, or reach for what is not theirs.

The process goes on, the other modules too; where nothing can go on, the log says so, and SIGTERM
ends the process all the same.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.runtime.house import write_module
from tests.runtime.process.test_run import dskity_run
from tests.runtime.process.with_device import run_with_device

HEAD = """
    import asyncio, sys, time

    from dskity.modules import Bus, Module, ModuleMeta, on

    class Other(Module):
        meta = ModuleMeta("other")

        @on("other/{number}")
        async def other(self, number: str, bus: Bus) -> None:
            await asyncio.sleep(0.01)
            await bus.publish("answer", number)
            print("other", number, flush=True)

    class Bad(Module):
        meta = ModuleMeta("bad")
"""
LEAVE = """asyncio.create_task(self.leave())
            await asyncio.sleep(0)

        async def leave(self):
            """
CANCEL = """for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()"""
REACHING = {
    "exit in a task": (f"{LEAVE}sys.exit(3)", r"no handler awaits failed: SystemExit\(3\)"),
    "Ctrl-C in a task": (f"{LEAVE}raise KeyboardInterrupt", "awaits failed: KeyboardInterrupt"),
    "exit in a callback": (
        "asyncio.get_running_loop().call_soon(sys.exit)",
        "code that no handler awaits failed: SystemExit",
    ),
    "stop of the loop": (
        "asyncio.get_running_loop().stop()",
        "code that no handler awaits failed: RuntimeError",
    ),
    "cancellation of all tasks": (CANCEL, "cancelled the main task of the runtime"),
}


@pytest.mark.parametrize("way", REACHING)
async def test_the_process_and_the_other_modules_go_on(way: str, tmp_path: Path) -> None:
    body, told = REACHING[way]
    write_module(
        tmp_path,
        "bad.py",
        f"""{HEAD}
        @on("bad")
        async def bad(self):
            {body}
""",
    )
    async with run_with_device(tmp_path, grace="0.5") as (run, it):
        await it.publish("bad", b"", qos=0)  # at QoS 1 it would come again
        run.wait_for(told)
        await it.publish("other/1", b"")
        run.wait_for("other 1")
        run.tell(signal.SIGTERM)
        assert run.ended(8) == 0, run.output


BLOCKS = {"sleep": "time.sleep(1000)", "spin": "while True: pass"}


@pytest.mark.parametrize("way", BLOCKS)
async def test_a_handler_that_keeps_the_loop_is_named_and_sigterm_ends_the_process(
    way: str, tmp_path: Path
) -> None:
    write_module(
        tmp_path,
        "bad.py",
        f"""{HEAD}
        @on("bad")
        async def bad(self):
            {BLOCKS[way]}
""",
    )
    async with run_with_device(tmp_path, grace="0.3") as (run, it):
        await it.publish("bad", b"")
        run.wait_for(r"the event loop has been blocked for \d+ s in \S*bad\.py:20")
        run.tell(signal.SIGTERM)
        assert run.ended(8) == 1, run.output
        run.wait_for("the process exits without draining: the event loop is blocked", 0)
        run.wait_for(r"cut off: handlers still running.*bad\.Bad\.bad \(1\)", 0)


async def test_a_register_that_keeps_the_loop_is_named_too(tmp_path: Path) -> None:
    write_module(
        tmp_path,
        "bad.py",
        f"""{HEAD}
        def register(self, clients, config):
            time.sleep(1000)
""",
    )
    with dskity_run(tmp_path, {"shutdown_grace_seconds": "0.3"}) as run:
        run.wait_for(r"the event loop has been blocked for \d+ s in \S*bad\.py:\d+")
        run.tell(signal.SIGTERM)
        assert run.ended(8) == 1, run.output
        run.wait_for("cut off: the start was not complete", 0)


async def test_sigterm_ends_a_start_that_waits_for_a_hook(tmp_path: Path) -> None:
    write_module(
        tmp_path,
        "bad.py",
        f"""{HEAD}
        async def on_startup(self, clients):
            print("waits", flush=True)
            await asyncio.Event().wait()
""",
    )
    with dskity_run(tmp_path) as run:
        run.wait_for("^waits")
        run.tell(signal.SIGTERM)
        assert run.ended(8) == 0, run.output
        run.wait_for("stopped before the start was complete", 0)
