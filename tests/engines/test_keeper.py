"""The supervisor of a child goes on, whatever fails in it."""

from __future__ import annotations

import errno
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from dskity.broker.engines.child import Child
from dskity.broker.engines.process_supervisor import Crash, ProcessSupervisor
from dskity.bus.base import tasks
from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import EngineError
from tests.breaking import Broken, errors_of
from tests.waiting import until

SLEEPER = ("/bin/sh", "-c", "echo here >&2; exec sleep 600")


async def _is_ready() -> bool:
    return True


def _nothing(_: object) -> None:
    pass


@asynccontextmanager
async def kept(
    *,
    command: tuple[str, ...] = SLEEPER,
    on_line: Callable[[str], None] = _nothing,
    on_crash: Callable[[Crash], None] = _nothing,
) -> AsyncIterator[tuple[ProcessSupervisor, VirtualClock]]:
    clock = VirtualClock()
    keeper = ProcessSupervisor(
        "broker", command, _is_ready, on_line=on_line, on_crash=on_crash, clock=clock
    )
    await keeper.start()
    try:
        yield keeper, clock
    finally:
        await keeper.stop()


async def killed(keeper: ProcessSupervisor) -> int:
    """`kill -9`; the process id that it had."""
    pid = keeper.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not keeper.healthy, "the keeper sees it")
    return pid


async def runs_again(keeper: ProcessSupervisor, clock: VirtualClock) -> None:
    """As time goes by."""
    for _ in range(200):
        await clock.advance(1)
        if keeper.healthy:
            return
        await until(lambda: True, "a turn")
    raise AssertionError("the child was not started again")


NO_MORE_FILES = OSError(errno.EMFILE, "Too many open files")


async def test_a_start_without_a_free_descriptor_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    Broken(monkeypatch, os, "pipe", NO_MORE_FILES)
    with pytest.raises(EngineError, match="Too many open files"):
        await kept().__aenter__()


async def test_a_child_is_started_again_after_a_lack_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """EMFILE at the pipe is a failed attempt, told like a crash."""
    crashes: list[Crash] = []
    async with kept(on_crash=crashes.append) as (keeper, clock):
        broken = Broken(monkeypatch, os, "pipe", NO_MORE_FILES)
        before = await killed(keeper)
        await runs_again(keeper, clock)
        assert keeper.pid != before
        assert broken.calls > 1
        assert "Too many open files" in crashes[1].reason
        assert "Too many open files" in caplog.text


@pytest.mark.parametrize(
    "error", [KeyError("odd"), SystemExit("odd"), MemoryError("odd")], ids=repr
)
async def test_a_child_is_started_again_after_any_error(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    health = tasks.observe()
    async with kept() as (keeper, clock):
        Broken(monkeypatch, ProcessSupervisor, "_launch", error)
        before = await killed(keeper)
        while not health.failing:  # the next attempt comes within 0.2 s, its successor 0.1 s later
            await clock.advance(0.05)
        assert health.failing == {"broker keeper": f"{type(error).__name__}: {error}"}
        assert any("broker keeper" in line for line in errors_of(caplog))
        await runs_again(keeper, clock)
        assert keeper.pid != before
        assert health.failing == {}


async def test_callbacks_that_fail_end_neither_the_keeper_nor_the_reader() -> None:
    health, lines = tasks.observe(), list[str]()

    def on_line(line: str) -> None:
        lines.append(line)
        raise SystemExit(1)

    def on_crash(crash: Crash) -> None:
        raise RuntimeError(crash.reason)

    command = ("/bin/sh", "-c", "echo one >&2; echo two >&2; exec sleep 600")
    async with kept(command=command, on_line=on_line, on_crash=on_crash) as (keeper, clock):
        await until(lambda: len(lines) == 2, "both lines are heard")
        await killed(keeper)
        await runs_again(keeper, clock)
        await until(lambda: len(lines) == 4, "those of the next run are heard")
        assert health.errors == {"sh line": 4, "broker on_crash": 1}


async def test_a_line_of_any_length_leaves_the_reader_going() -> None:
    """A reader that stops would stop the program too, in its write to the full pipe."""
    lines: list[str] = []
    script = "head -c 300000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2; exec sleep 600"
    async with kept(command=("/bin/sh", "-c", script), on_line=lines.append):
        await until(lambda: lines and lines[-1] == "end", "the line behind it is heard")
        assert all(len(line) < 2**16 for line in lines)


async def test_the_reader_starts_again_after_any_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What it has read by then is lost; what follows is not."""
    caplog.set_level(logging.ERROR)
    health, lines = tasks.observe(), list[str]()
    Broken(monkeypatch, Child, "_hear", RuntimeError("odd"))
    command = ("/bin/sh", "-c", "echo one >&2; echo two >&2; exec sleep 600")
    async with kept(command=command, on_line=lines.append):
        await until(lambda: lines == ["two"], "the second line is heard")
        assert health.errors == {"sh stderr": 1}
        assert "sh stderr" in errors_of(caplog)[0]
