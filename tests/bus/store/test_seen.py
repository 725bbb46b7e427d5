"""What was seen is known for its window, also after a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import StateUnusable, StoreUnavailable
from dskity.bus.store import dedup_store as seen
from dskity.bus.store.bloom import BloomFilter
from dskity.bus.store.dedup_store import DedupStore

DAY = 86_400.0


@asynccontextmanager
async def record(path: Path | None, clock: VirtualClock | None = None) -> AsyncIterator[DedupStore]:
    store = DedupStore(path, what="the record", keep=DAY, clock=clock or VirtualClock())
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.mark.parametrize("on_disk", [True, False])
async def test_a_delivery_is_known_for_its_window(tmp_path: Path, on_disk: bool) -> None:
    """By source and id; a window may be shorter than what is kept."""
    clock = VirtualClock()
    async with record(tmp_path / "w.db" if on_disk else None, clock) as store:
        assert not await store.has("github", "1", DAY)
        await store.add("github", "1")
        await clock.advance(100)
        assert await store.has("github", "1", DAY)
        assert not await store.has("github", "1", 99)
        assert not await store.has("github", "2", DAY)
        assert not await store.has("stripe", "1", DAY)
        await store.add("github", "1")
        assert await store.has("github", "1", 99)
        await clock.advance(DAY)
        assert not await store.has("github", "1", DAY)


async def test_it_is_known_after_a_restart(tmp_path: Path) -> None:
    """That is what the file is for."""
    path = tmp_path / "w.db"
    async with record(path) as store:
        await store.add("github", "1")
    async with record(path) as store:
        assert await store.has("github", "1", DAY)


async def test_the_file_is_bounded_in_time_and_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too old or too much goes, the oldest first."""
    monkeypatch.setattr(seen, "PRUNE_EVERY", 1)
    monkeypatch.setattr(seen, "MAX_ROWS", 3)
    clock = VirtualClock()
    path = tmp_path / "w.db"
    async with record(path, clock) as store:
        for number in range(6):
            await store.add("s", str(number))
        assert not await store.has("s", "1", DAY)
        assert await store.has("s", "5", DAY)
        await clock.advance(DAY)
        await store.add("s", "new")
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT key FROM seen").fetchall() == [("new",)]
    database.close()


async def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """Garbage, a newer version, a place where no file can be."""
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database at all" * 100)
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    for path, says in (
        (garbage, "garbage.db"),
        (newer, "newer DSkity"),
        (newer / "x", "newer.db"),
    ):
        with pytest.raises(StateUnusable, match=says):
            async with record(path):
                pass


async def test_a_closed_record_says_so() -> None:
    """Before it is opened, and after it is closed."""
    store = DedupStore(None, what="the record", keep=DAY)
    with pytest.raises(StoreUnavailable, match="not open"):
        await store.has("s", "1", DAY)


async def test_what_is_noted_is_known_at_once_and_in_the_file_when_it_is_closed(
    tmp_path: Path,
) -> None:
    """Nobody waits for it."""
    path = tmp_path / "w.db"
    async with record(path) as store:
        store.note("s", "1")
        assert await store.has("s", "1", DAY)
        store.note("s", "2")
    async with record(path) as store:
        assert await store.has("s", "2", DAY)


async def test_a_key_that_only_looks_known_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The filter may say maybe of any key; then the file decides."""
    monkeypatch.setattr(BloomFilter, "__contains__", lambda self, key: True)
    async with record(None) as store:
        assert not await store.has("s", "1", DAY)


class SetClock(VirtualClock):
    """A clock whose wall time can be set."""

    def set(self, seconds: float) -> None:
        """Forward, or back."""
        self._epoch += seconds


@pytest.mark.parametrize("step", [-50 * 365 * DAY, -2 * DAY, 2 * DAY, 50 * 365 * DAY])
async def test_a_clock_that_is_set_makes_no_key_older_or_younger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    """Neither in the process in which it is set nor in the next one."""
    monkeypatch.setattr(seen, "PRUNE_EVERY", 1)
    clock, path = SetClock(), tmp_path / "w.db"
    async with record(path, clock) as store:
        await store.add("s", "old")
        await clock.advance(DAY / 2)
        clock.set(step)
        await store.add("s", "new")
        assert await store.has("s", "old", DAY)
        assert not await store.has("s", "old", DAY / 4)
    async with record(path, clock) as store:
        assert await store.has("s", "old", DAY)
        assert not await store.has("s", "old", DAY / 4)
        await clock.advance(DAY / 2 + 1)
        assert not await store.has("s", "old", DAY)
        assert await store.has("s", "new", DAY)


async def test_a_clock_set_back_between_two_processes_keeps_keys_for_one_window_more(
    tmp_path: Path,
) -> None:
    """Nothing tells when they were added; they are neither forgotten nor kept for years."""
    clock, path = SetClock(), tmp_path / "w.db"
    async with record(path, clock) as store:
        await store.add("s", "key")
    clock.set(-50 * 365 * DAY)
    async with record(path, clock) as store:
        assert await store.has("s", "key", DAY)
        await clock.advance(DAY)
        assert not await store.has("s", "key", DAY)
