"""`until`: a fact is awaited, whether the condition is plain or async."""

from __future__ import annotations

import asyncio

import pytest

from dskity.testing import until


async def test_a_plain_condition_is_asked_until_it_is_true() -> None:
    """It returns at the first true answer."""
    answers = iter([0, [], "yes"])
    await until(lambda: next(answers), "the third answer")
    assert list(answers) == []


async def test_an_async_condition_is_awaited() -> None:
    """A coroutine is true by itself: its result is what counts."""
    answers = iter([False, False, True])

    async def condition() -> bool:
        await asyncio.sleep(0)
        return next(answers)

    await until(condition, "the third answer")
    assert list(answers) == []


async def test_an_async_condition_that_stays_false_fails() -> None:
    """With the words of what was awaited."""

    async def never() -> bool:
        return False

    with pytest.raises(AssertionError, match=r"not within 0.01 s: the impossible"):
        await until(never, "the impossible", within=0.01)


async def test_an_async_condition_that_hangs_fails() -> None:
    """The time is over all that the condition awaits."""

    async def hangs() -> bool:
        await asyncio.Event().wait()
        return True

    with pytest.raises(AssertionError, match="the impossible"):
        await until(hangs, "the impossible", within=0.01)


async def test_a_time_out_of_the_condition_is_its_own() -> None:
    """It is not taken for the end of the wait."""

    async def fails() -> bool:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await until(fails, "anything")
