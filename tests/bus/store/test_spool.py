"""Messages on disk: what the bounds count, and what takes the place of what."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dskity.bus.errors import OutboxFull, StoreUnavailable
from dskity.bus.message import Message
from dskity.bus.store.spool import Bounds, Spool
from tests.waiting import until


@asynccontextmanager
async def opened(spool: Spool) -> AsyncIterator[Spool]:
    await spool.open()
    try:
        yield spool
    finally:
        await spool.close()


async def test_retained_state_takes_the_place_of_an_earlier_one_only_where_that_is_wanted() -> None:
    for collapses, kept in ((True, [b"2"]), (False, [b"1", b"2"])):
        async with opened(Spool(None, what="the test file", collapses=collapses)) as spool:
            for payload in (b"1", b"2"):
                await spool.put([Message("t", payload, retain=True)], 0)
            assert [each.message.payload for each in await spool.page(0, 10)] == kept
            assert spool.messages == len(kept)


async def test_newer_state_takes_the_place_of_what_was_refused_and_the_count_stays_true() -> None:
    async with opened(Spool(None, what="the test file", collapses=True)) as spool:
        [id] = await spool.put([Message("t", b"1", retain=True)], 0)
        await spool.refuse(id, "not authorized")
        assert (spool.messages, spool.bytes) == (0, 0)
        await spool.put([Message("t", b"2", retain=True)], 0)
        assert spool.messages == 1
        assert spool.bytes > 0


async def test_the_redelivery_flag_is_kept() -> None:
    async with opened(Spool(None, what="the test file")) as spool:
        await spool.put([Message("t", duplicate=True), Message("t")], 0)
        assert [each.message.duplicate for each in await spool.page(0, 10)] == [True, False]


async def test_a_page_is_bounded_in_bytes_and_has_one_message_at_least() -> None:
    async with opened(Spool(None, what="the test file")) as spool:
        for size in (5_000_000, 100, 100, 5_000_000):
            await spool.put([Message("t", bytes(size))], 0)
        pages, after = [], 0
        while page := await spool.page(after, 10):
            pages.append([len(each.message.payload) for each in page])
            after = page[-1].id
        assert pages == [[5_000_000], [100, 100], [5_000_000]]


async def test_a_message_larger_than_the_bound_may_be_let_in_where_there_is_room_at_all() -> None:
    bounds = Bounds(bytes=1_000)
    async with opened(Spool(None, what="the test file", bounds=bounds)) as spool:
        await spool.put([Message("t", b"x" * 100)], 0)
        with pytest.raises(OutboxFull):
            await spool.put([Message("t", b"x" * 5_000)], 0)
        [id] = await spool.put([Message("t", b"x" * 5_000)], 0, any_size=True)
        with pytest.raises(OutboxFull):
            await spool.put([Message("t", b"")], 0, any_size=True)
        await spool.remove([id])
        await spool.put([Message("t", b"")], 0)


async def test_drop_oldest_counts_what_it_dropped_and_nothing_that_was_undone(
    tmp_path: Path,
) -> None:
    bounds = Bounds(messages=2, policy="drop_oldest")
    async with opened(Spool(tmp_path / "a.db", what="the test file", bounds=bounds)) as spool:
        for number in range(4):
            await spool.put([Message("t", str(number).encode())], 0)
        assert (spool.messages, spool.dropped) == (2, 2)
        await spool._database.run(lambda c: c.execute("PRAGMA max_page_count = 8").fetchone())
        began, go = threading.Event(), threading.Event()

        def keep_busy(_: sqlite3.Connection) -> None:
            began.set()
            go.wait()

        busy = asyncio.ensure_future(spool._database.run(keep_busy))
        await until(began.is_set, "the thread busy, so that the next two share a commit")
        puts = [asyncio.ensure_future(spool.put([Message("t", bytes(n))], 0)) for n in (1, 10**6)]
        await asyncio.sleep(0)
        go.set()
        await asyncio.wait(puts)
        await busy
        assert [type(put.exception()) for put in puts] == [StoreUnavailable] * 2
        assert (spool.messages, spool.dropped) == (2, 2)
        await spool.refuse((await spool.page(0, 1))[0].id, "not authorized")
        await spool.put([Message("t", b"4")], 0)
        assert [each.message.payload for each in await spool.page(0, 9)] == [b"3", b"4"]
        assert (spool.messages, spool.dropped) == (2, 2)
