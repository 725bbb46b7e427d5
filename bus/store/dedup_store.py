"""Keys seen within a window, on disk, so that they are known after a restart too."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.keyed_lock import KeyedLock
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.errors import StoreUnavailable
from dskity.bus.store.bloom import BloomFilter
from dskity.bus.store.database import Database

MAX_ROWS = 1_000_000  # some 100 MB; ten keys a second for 24 hours stay below
PRUNE_EVERY = 1000  # additions
LINGER = 0.05  # seconds until what was noted is written, together
STEP = 1.0  # seconds between the two clocks: below it is drift, above it the clock was set
_SCHEMA = """
CREATE TABLE seen (
    number INTEGER PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL,
    UNIQUE (scope, key) ON CONFLICT REPLACE
);
CREATE INDEX seen_at ON seen (at);
"""
_CLOCK = "CREATE TABLE IF NOT EXISTS clock (step REAL NOT NULL)"
"""How far the wall clock was set since the file was opened; none or one row."""
_Row = tuple[str, str, float]


class DedupStore:
    """`path` None keeps it in memory; `keep` is the longest window, in seconds.

    `scope` in the calls keeps the keys of different users of one file apart. A power cut may lose
    the last keys, which costs a duplicate and never a message; killing the process loses none that
    `add` has returned for. A new key is known to be new without asking the file.

    **Time.** Ages are counted by the monotonic clock, so that a wall clock that is set makes no key
    older or younger. Over a restart only the wall clock tells: the file is opened with the times of
    its keys moved by as much as that clock was set since the last opening, and none in the future.
    What stays is a clock that is set while no process runs: then keys last longer or shorter by as
    much, but not longer than their window from the start on.
    """

    def __init__(
        self, path: Path | None, *, what: str, keep: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.keep = keep
        self._throttled = ThrottledLog(logging.getLogger(__name__), clock)
        self._what = what
        self._clock = clock
        self._until_pruning = 0
        self._start = clock.time() - clock.monotonic()
        self._step = 0.0
        self._known = BloomFilter()
        self._noted: list[_Row] = []
        self._lingering: asyncio.TimerHandle | None = None
        self._locks = KeyedLock()
        self._database = Database(path, what=what, schema=_SCHEMA, synchronous="NORMAL")

    async def open(self) -> None:
        """Open or make the file; `StateUnusable` where that cannot be."""
        await self._database.open()
        self._start = self._clock.time() - self._clock.monotonic()
        self._step = 0.0
        try:
            await self._database.run(partial(_keep_ages, self._now()))
        except StoreUnavailable as error:  # a full disk must not keep the runtime from starting
            self._not_written(error)
        await self._database.run(partial(_fill, self._known))

    async def close(self) -> None:
        """Close the file."""
        self._flush()
        if self._database.is_open:
            self._note_step()
        await self._database.close()

    def turn(self, scope: str, key: str) -> AbstractAsyncContextManager[None]:
        """One at a time for a key, in the order of asking, between the look and the note."""
        return self._locks.of((scope, key))

    async def has(self, scope: str, key: str, window: float) -> bool:
        """Whether `key` was added within the last `window` seconds."""
        if self._database.is_open and (scope, key) not in self._known:
            return False
        self._flush()
        now = self._now()
        return await self._database.run(partial(_has, scope, key, now - window, now + window))

    async def add(self, scope: str, key: str) -> None:
        """Remember `key` from now on; it is in the file when this returns."""
        self._flush()
        self._known.add((scope, key))
        await self._write([(scope, key, self._now())])

    def note(self, scope: str, key: str) -> None:
        """As `add`, for those who need not wait for the file; where it cannot be written the log
        says so."""
        self._known.add((scope, key))
        self._noted.append((scope, key, self._now()))
        if self._lingering is None:
            self._lingering = asyncio.get_running_loop().call_later(LINGER, self._flush)

    def _now(self) -> float:
        """Unix seconds by a clock that cannot be set since the file was opened."""
        return self._start + self._clock.monotonic()

    def _note_step(self) -> None:
        """Write down how far the wall clock was set, once for each time."""
        step = self._clock.time() - self._now()
        if abs(step - self._step) > STEP:
            self._step = step
            try:
                self._database.begin(partial(_set_step, step)).add_done_callback(self._written)
            except StoreUnavailable as error:
                self._not_written(error)

    def _flush(self) -> None:
        """Begin to write what was noted."""
        if self._lingering is None:
            return
        self._lingering.cancel()
        self._lingering = None
        rows, self._noted = self._noted, []
        try:
            self._write(rows).add_done_callback(self._written)
        except StoreUnavailable as error:
            self._not_written(error)

    def _written(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            self._not_written(error)

    def _not_written(self, error: BaseException) -> None:
        self._throttled.warn(f"{self._what}: duplicates will not be recognised: {error}")

    def _write(self, rows: Sequence[_Row]) -> asyncio.Future[None]:
        self._note_step()
        prune_before = None
        if self._until_pruning <= 0:
            self._until_pruning = PRUNE_EVERY
            prune_before = self._now() - self.keep
        self._until_pruning -= len(rows)
        return self._database.begin(partial(_add, rows, prune_before))


def _keep_ages(now: float, connection: sqlite3.Connection) -> None:
    connection.execute(_CLOCK)
    for (step,) in connection.execute("SELECT step FROM clock").fetchall():
        connection.execute("UPDATE seen SET at = at + ?", (step,))
    connection.execute("DELETE FROM clock")
    connection.execute("UPDATE seen SET at = ? WHERE at > ?", (now, now))


def _set_step(step: float, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM clock")
    connection.execute("INSERT INTO clock (step) VALUES (?)", (step,))


def _fill(known: BloomFilter, connection: sqlite3.Connection) -> None:
    for row in connection.execute("SELECT scope, key FROM seen"):
        known.add(row)


def _has(scope: str, key: str, since: float, until: float, connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM seen WHERE scope = ? AND key = ? AND at > ? AND at < ?"
    return connection.execute(query, (scope, key, since, until)).fetchone() is not None


def _add(rows: Sequence[_Row], prune_before: float | None, connection: sqlite3.Connection) -> None:
    if prune_before is not None:
        connection.execute("DELETE FROM seen WHERE at <= ?", (prune_before,))
        connection.execute(
            "DELETE FROM seen WHERE number <= (SELECT max(number) - ? FROM seen)", (MAX_ROWS,)
        )
    connection.executemany("INSERT INTO seen (scope, key, at) VALUES (?, ?, ?)", rows)
