"""A pool of threads: bounded, fair, and nothing waits for a thread that does not end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from dskity.bus.base.threads import GROWTH, ThreadPool
from tests.waiting import until

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


class Panic(BaseException):
    """What pyo3 raises for a Rust panic is no Exception either."""


@dataclass
class Gate:
    """Functions that block until it opens; `inside` are those that do now."""

    opened: threading.Event = field(default_factory=threading.Event)
    inside: int = 0
    most: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def block(self) -> str:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.opened.wait(20)
        with self._lock:
            self.inside -= 1
        return threading.current_thread().name


@pytest.fixture
def gate() -> Iterator[Gate]:
    it = Gate()
    yield it
    it.opened.set()


async def test_a_call_has_its_arguments_its_context_and_a_named_daemon_thread() -> None:
    pool = ThreadPool("pool")
    VARIABLE.set("mine")

    def call(left: int, right: int) -> tuple[int, str, str, bool]:
        thread = threading.current_thread()
        return left + right, VARIABLE.get(), thread.name, thread.daemon

    assert await pool.run(call, 1, 2) == (3, "mine", "pool-1", True)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        SystemExit(3),
        KeyboardInterrupt(),
        Panic(),
        BaseExceptionGroup("several", [Panic()]),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_call_raises_comes_to_its_caller_and_the_thread_goes_on(
    error: BaseException,
) -> None:
    pool = ThreadPool("pool", 1)

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        await pool.run(fail)
    assert await pool.run(lambda: threading.current_thread().name) == "pool-1"


@pytest.mark.parametrize("error", [StopIteration, GeneratorExit])
async def test_what_would_end_the_callers_coroutine_is_a_runtime_error(
    error: type[BaseException],
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(RuntimeError, match=error.__name__):
        await ThreadPool("pool").run(fail)


async def test_no_more_calls_of_one_owner_than_its_size_run_at_once(gate: Gate) -> None:
    pool = ThreadPool("pool", 3)
    calls = [asyncio.ensure_future(pool.run(gate.block, owner="a")) for _ in range(10)]
    await until(lambda: gate.inside == 3, "as many as there are threads")
    assert (pool.threads, len(pool.running)) == (3, 3)
    gate.opened.set()
    assert {await call for call in calls} <= {"pool-1", "pool-2", "pool-3"}
    assert gate.most == 3


async def test_an_owner_without_a_thread_gets_one_while_another_owner_has_them_all(
    gate: Gate,
) -> None:
    pool = ThreadPool("pool", 40)
    calls = [asyncio.ensure_future(pool.run(gate.block, owner="blocked")) for _ in range(60)]
    await until(lambda: gate.inside == 40, "the pool is full")
    for number in range(5):
        assert await pool.run(lambda: number, owner="other") == number  # noqa: B023  # run at once
    assert pool.threads <= 41
    gate.opened.set()
    await asyncio.gather(*calls)


async def test_the_owner_with_the_fewest_threads_is_next(gate: Gate) -> None:
    pool, other, order = ThreadPool("pool", 3), Gate(), list[str]()
    first = [asyncio.ensure_future(pool.run(gate.block, owner="a")) for _ in range(2)]
    first.append(asyncio.ensure_future(pool.run(other.block, owner="b")))
    await until(lambda: gate.inside + other.inside == 3, "the pool is full")
    calls = [
        asyncio.ensure_future(pool.run(order.append, text, owner=text[0]))
        for text in ("a1", "a2", "b1", "b2")
    ]
    await asyncio.sleep(0)
    other.opened.set()
    await asyncio.gather(*calls)
    assert order == ["b1", "b2", "a1", "a2"]
    gate.opened.set()
    await asyncio.gather(*first)


async def test_a_cancelled_call_that_has_not_begun_never_does(gate: Gate) -> None:
    pool = ThreadPool("pool", 1)
    first = asyncio.ensure_future(pool.run(gate.block))
    await until(lambda: gate.inside == 1, "the only thread is taken")
    ran: list[int] = []
    second = asyncio.ensure_future(pool.run(ran.append, 2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait({second})
    gate.opened.set()
    await first
    await pool.run(ran.append, 3)
    assert ran == [3]
    assert pool.overdue == 0


async def test_a_cancelled_call_that_runs_is_told_of_until_it_ends(gate: Gate) -> None:
    pool = ThreadPool("pool", 1)
    call = asyncio.ensure_future(pool.run(gate.block, owner="it"))
    await until(lambda: gate.inside == 1, "it runs")
    call.cancel()
    await asyncio.wait({call})
    job = pool.unfinished(call)
    assert job is not None
    assert (job.owner, job.overdue, job.ended.is_set(), pool.overdue) == ("it", True, False, 1)
    gate.opened.set()
    await asyncio.wait_for(job.ended.wait(), 10)
    assert (pool.unfinished(call), pool.overdue) == (None, 0)


async def test_overdue_threads_do_not_count_up_to_a_hard_maximum(gate: Gate) -> None:
    pool = ThreadPool("pool", 2)
    for number in range(1, GROWTH * 2 - 1):
        call = asyncio.ensure_future(pool.run(gate.block, owner="blocked"))
        await until(lambda expected=number: gate.inside == expected, "it runs")  # type: ignore[misc]
        call.cancel()
        await asyncio.wait({call})
    waiting = [asyncio.ensure_future(pool.run(gate.block, owner="blocked")) for _ in range(4)]
    await until(lambda: gate.inside == GROWTH * 2, "as many as there may be")
    assert await pool.run(lambda: "free", owner="other") == "free"
    assert gate.inside == GROWTH * 2
    gate.opened.set()
    await asyncio.gather(*waiting)
    await until(lambda: pool.threads <= 2, "it is as small as before")
    assert (pool.overdue, pool.running) == (0, ())


async def test_a_timed_out_call_makes_room_for_one_that_waits(gate: Gate) -> None:
    pool = ThreadPool("pool", 1)
    first = asyncio.ensure_future(pool.run(gate.block, owner="a"))
    await until(lambda: gate.inside == 1, "the only thread is taken")
    second = asyncio.ensure_future(pool.run(lambda: 2, owner="a"))
    await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.wait_for(second, 10) == 2


async def test_a_closed_pool_keeps_no_threads_and_still_runs_what_is_asked() -> None:
    pool = ThreadPool("pool", 4)
    await asyncio.gather(*(pool.run(int) for _ in range(4)))
    pool.close()
    assert pool.threads == 0
    assert await pool.run(lambda: 1) == 1
    await until(lambda: pool.threads == 0, "its end")


async def test_any_mix_of_calls_ends_with_each_result_once_and_within_the_bound() -> None:
    pool = ThreadPool("pool", 5)
    inside, most, lock = 0, 0, threading.Lock()

    def call(number: int) -> int:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        try:
            if number % 7 == 0:
                raise Panic
            return number
        finally:
            with lock:
                inside -= 1

    async def ask(number: int) -> int | None:
        with contextlib.suppress(Panic):
            return await pool.run(call, number, owner=number % 3)
        return None

    found = await asyncio.gather(*(ask(number) for number in range(500)))
    assert found == [None if number % 7 == 0 else number for number in range(500)]
    assert most <= 5 + 3
    assert pool.running == ()


BLOCKED = """
import asyncio, threading
from dskity.bus.base.threads import ThreadPool

async def main():
    pool = ThreadPool("pool")
    began = threading.Semaphore(0)
    def block():
        began.release()
        threading.Event().wait()
    calls = [asyncio.ensure_future(pool.run(block)) for _ in range(40)]
    for _ in calls:
        while not began.acquire(blocking=False):
            await asyncio.sleep(0.001)

asyncio.run(main())
print("the end")
"""


def test_a_process_with_blocked_threads_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("the end\n", "", 0)
