"""Tasks whose end is seen: logged, counted, shown, and started again where they are loops."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from itertools import pairwise

import pytest

from dskity.bus.base import tasks
from dskity.bus.base.clock import VirtualClock
from tests.waiting import until

UNFORESEEN: list[Callable[[], BaseException]] = [
    lambda: ValueError("odd"),
    lambda: SystemExit(3),
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    lambda: BaseExceptionGroup("several", [SystemExit(1)]),
    lambda: RecursionError("deep"),
]


@pytest.mark.parametrize("make", UNFORESEEN, ids=lambda make: type(make()).__name__)
async def test_a_loop_starts_again_after_any_error(
    make: Callable[[], BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """Readiness shows it between the two runs, and no longer."""
    clock, health, runs = VirtualClock(), tasks.observe(), 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise make()
        await asyncio.Event().wait()

    task = tasks.keep_running(work, name="the loop", clock=clock)
    await clock.advance(0)
    assert (runs, health.errors["the loop"], list(health.failing)) == (1, 1, ["the loop"])
    record = caplog.records[-1]
    assert record.levelno == logging.ERROR
    assert "the loop" in record.message
    assert record.exc_info
    await clock.advance(tasks.SHORTEST_PAUSE)
    assert (runs, health.failing) == (2, {})
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()


async def test_the_pause_doubles_up_to_its_bound() -> None:
    clock, moments = VirtualClock(), list[float]()

    async def work() -> None:
        moments.append(clock.monotonic())
        raise ValueError

    task = tasks.keep_running(work, name="the loop", clock=clock)
    await clock.advance(200)
    pauses = [round(b - a, 3) for a, b in pairwise(moments)]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == tasks.LONGEST_PAUSE
    task.cancel()
    await asyncio.wait((task,))


async def test_a_loop_that_is_cancelled_while_it_fails_ends() -> None:
    """Before Python 3.12 `wait_for` may turn a cancellation into its inner error."""

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError from None

    task = tasks.keep_running(work, name="the loop")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert isinstance(task.exception(), ValueError)


@pytest.mark.parametrize("make", UNFORESEEN, ids=lambda make: type(make()).__name__)
async def test_work_that_fails_is_logged_and_counted(
    make: Callable[[], BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the error would have ended the process, or looked like a cancellation."""
    health = tasks.observe()

    async def work() -> None:
        raise make()

    task = tasks.spawn(work(), name="the work")
    await asyncio.wait((task,))
    assert health.errors == {"the work": 1}
    assert "the work" in caplog.records[-1].message


async def test_the_error_of_awaited_work_is_for_who_awaits_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    health = tasks.observe()

    async def work() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # the class is the fact
        await tasks.spawn(work(), name="the work", awaited=True)
    assert (health.errors, caplog.records) == ({}, [])


async def test_two_runtimes_have_records_of_their_own() -> None:
    """A task reports where whoever started it does, also when it starts again."""

    async def runtime(name: str) -> tasks.TaskHealth:
        health = tasks.observe()

        async def work() -> None:
            raise ValueError

        await asyncio.wait((tasks.spawn(work(), name=name),))
        return health

    async with asyncio.TaskGroup() as group:
        one, two = (group.create_task(runtime(name), name=name) for name in ("one", "two"))
    assert (one.result().errors, two.result().errors) == ({"one": 1}, {"two": 1})


@pytest.mark.parametrize("late", [False, True], ids=["at once", "while the group waits"])
async def test_a_loop_starts_again_after_a_failed_group_in_it(late: bool) -> None:
    """Before Python 3.13 the task of a failed group looks as if it had been cancelled for ever."""
    clock, health, runs = VirtualClock(), tasks.observe(), 0

    async def fail() -> None:
        if late:
            await clock.sleep(1)
        raise ValueError

    async def work() -> None:
        nonlocal runs
        runs += 1
        async with asyncio.TaskGroup() as group:
            group.create_task(tasks.contained(fail), name="part")

    task = tasks.keep_running(work, name="the loop", clock=clock)
    await clock.advance(5)
    assert runs > 2
    assert health.errors["the loop"] >= runs - 1
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()


async def test_a_loop_ends_when_it_is_cancelled_and_takes_its_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also where its owner cancels it again meanwhile."""
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.wait((asyncio.create_task(asyncio.sleep(0.01)),))
            ended.set()

    task = tasks.keep_running(work, name="the loop")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert (task.cancelled(), caplog.records) == (True, [])


async def test_work_that_is_cancelled_before_it_began_is_closed() -> None:
    """Else Python would warn of a coroutine that nobody awaited."""

    async def work() -> None:
        raise AssertionError

    coroutine = work()
    task = tasks.spawn(coroutine, name="the work")
    task.cancel()
    await asyncio.wait((task,))
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


async def test_a_callback_that_fails_is_reported_and_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    health, seen = tasks.observe(), list[int]()

    def callback(number: int, *, error: BaseException | None = None) -> None:
        seen.append(number)
        if error is not None:
            raise error

    for number, make in enumerate(UNFORESEEN):
        tasks.call("the callback", callback, number, error=make())
    tasks.call("the callback", callback, -1)
    assert seen == [*range(len(UNFORESEEN)), -1]
    assert health.errors == {"the callback": len(UNFORESEEN)}
    assert all(r.levelno == logging.ERROR and r.exc_info for r in caplog.records)


def test_names_that_are_counted_apart_are_bounded() -> None:
    """They are the labels of a metric, and modules name tasks after what they like."""
    health = tasks.TaskHealth()
    for number in range(tasks.MOST_NAMES + 5):
        health.count(f"task {number}")
    health.count("task 0")
    assert len(health.errors) == tasks.MOST_NAMES + 1
    assert (health.errors["task 0"], health.errors[tasks.OTHER]) == (2, 5)


async def test_only_our_own_code_ends_a_loop_from_the_context_of_a_users(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As code of a module would, which ends all tasks that it finds."""

    async def run_for_ever() -> None:
        runs.append(1)
        await asyncio.Event().wait()

    async def users() -> bool:
        tasks.not_ours()
        return any(task.cancel() for task in asyncio.all_tasks() if task.get_name() == "loop")

    runs: list[int] = []
    task = tasks.keep_running(run_for_ever, name="loop")
    await until(lambda: runs, "it runs")
    assert not await asyncio.create_task(users())
    await asyncio.sleep(0)
    assert (task.done(), runs) == (False, [1])
    assert "loop continues although module code cancelled it" in caplog.text
    assert task.cancel()
    await asyncio.wait((task,))
