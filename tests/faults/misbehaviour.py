"""What handlers of the suite do wrong when their message tells them to."""

from __future__ import annotations

import asyncio
import sys
import threading

from tests.faults.load import Load


class Panic(BaseException):
    """What an extension in Rust raises."""


async def misbehave(load: Load) -> None:
    """Raise what `load.do` names, or hang; even numbers raise in the first step of the handler."""
    if load.n % 2:
        await asyncio.sleep(0)
    if load.do == "hang":
        await asyncio.Event().wait()
    if load.do == "cancel-itself":
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)  # where it is raised
    raise _error(load.do)


def _error(do: str) -> BaseException:
    if do == "exit":
        sys.exit("a handler ends the process")
    return {
        "interrupt": KeyboardInterrupt(),
        "panic": Panic("index out of bounds"),
        "group": BaseExceptionGroup("several", [Panic("one"), SystemExit(2)]),
        "raise-cancelled": asyncio.CancelledError(),
    }.get(do, RuntimeError(do))


def block(seconds: float | None) -> None:
    """Occupy this thread, for ever if None."""
    threading.Event().wait(seconds)
