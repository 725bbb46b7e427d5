"""The bounded queue of a slow reader, against a model of it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dskity.bus.base.drop_oldest import DropOldest
from tests.waiting import until

ITEMS = st.lists(st.binary(max_size=12))


@given(items=ITEMS, limit=st.integers(1, 5), max_bytes=st.integers(0, 30))
def test_it_keeps_the_newest_items_that_fit_and_counts_the_rest(
    items: list[bytes], limit: int, max_bytes: int
) -> None:
    waiting: DropOldest[bytes] = DropOldest(limit, max_bytes=max_bytes, size_of=len)
    gone = sum(waiting.put(item) for item in items)
    kept = [waiting.take() for _ in range(len(waiting))]
    assert waiting.dropped == gone == len(items) - len(kept)
    assert kept == items[len(items) - len(kept) :]
    assert len(kept) <= limit
    assert sum(map(len, kept)) <= max_bytes or len(kept) == 1
    assert waiting.bytes == 0


@given(first=ITEMS, second=ITEMS, limit=st.integers(1, 20))
def test_what_is_put_back_goes_before_what_waits(
    first: list[bytes], second: list[bytes], limit: int
) -> None:
    waiting: DropOldest[bytes] = DropOldest(limit, max_bytes=10_000, size_of=len)
    for item in second:
        waiting.put(item)
    waiting.put_back(first)
    expected = [*first, *second[-limit:]][-limit:]
    assert waiting.bytes == sum(map(len, expected))
    assert [waiting.take() for _ in range(len(waiting))] == expected


async def test_a_reader_waits_for_an_item_and_ends_with_the_queue() -> None:
    waiting: DropOldest[int] = DropOldest(2)
    reader = asyncio.create_task(waiting.wait(), name="reader")
    await asyncio.sleep(0)
    assert not reader.done()
    waiting.put(1)
    assert await reader
    waiting.close()
    assert await waiting.wait()
    waiting.take()
    assert not await waiting.wait()
    waiting.reopen()
    reader = asyncio.create_task(waiting.wait(), name="reader")
    await asyncio.sleep(0)
    waiting.put_back([2])
    await until(reader.done, "the item that was put back")
    assert reader.result()


def test_an_empty_queue_gives_nothing() -> None:
    with pytest.raises(IndexError):
        DropOldest[int](1).take()
