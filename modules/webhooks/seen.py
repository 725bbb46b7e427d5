"""The ids of the deliveries of a while, on disk, so that they are known after a restart too."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from dskity.bus.clock import Clock
from dskity.bus.errors import StoreUnavailable

T = TypeVar("T")

VERSION = 1
MAX_ROWS = 1_000_000  # some 100 MB; a sender of ten a second for 24 hours stays below
PRUNE_EVERY = 1000  # additions

_SCHEMA = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS seen (
    number INTEGER PRIMARY KEY, source TEXT NOT NULL, delivery TEXT NOT NULL, at REAL NOT NULL,
    UNIQUE (source, delivery) ON CONFLICT REPLACE
);
CREATE INDEX IF NOT EXISTS seen_at ON seen (at);
PRAGMA user_version = {VERSION};
"""  # NORMAL: a power cut may lose the last ids, which costs a duplicate and never a delivery


class Seen(Protocol):
    """Remembers deliveries; both calls may raise `StoreUnavailable`."""

    async def has(self, source: str, delivery: str, window: float) -> bool:
        """Whether it was added within the last `window` seconds."""
        ...

    async def add(self, source: str, delivery: str) -> None:
        """Remember it from now on."""
        ...


class SqliteSeen:
    """`Seen` in a SQLite file, or in memory where `path` is None; `keep` is the longest window.

    One thread owns the connection, so that a slow disk never stops the loop.
    """

    def __init__(self, path: Path | None, clock: Clock, keep: float) -> None:
        self._path = path
        self._clock = clock
        self._keep = keep
        self._added = 0
        self._executor: ThreadPoolExecutor | None = None
        self._database: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open or make the file."""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="dskity-webhooks-seen")
        try:
            await self._run(self._open)
        except StoreUnavailable:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the file."""
        if self._executor is not None:
            await self._run(self._close)
            self._executor.shutdown(wait=False)
            self._executor = None

    async def has(self, source: str, delivery: str, window: float) -> bool:
        """See `Seen`."""
        since = self._clock.time() - window
        query = "SELECT 1 FROM seen WHERE source = ? AND delivery = ? AND at > ?"
        rows = await self._run(lambda: self._execute(query, source, delivery, since))
        return bool(rows)

    async def add(self, source: str, delivery: str) -> None:
        """See `Seen`."""
        now = self._clock.time()
        await self._run(lambda: self._add(source, delivery, now))

    def _add(self, source: str, delivery: str, now: float) -> None:
        if self._added % PRUNE_EVERY == 0:
            self._execute("DELETE FROM seen WHERE at <= ?", now - self._keep)
            self._execute(
                "DELETE FROM seen WHERE number <= (SELECT max(number) - ? FROM seen)", MAX_ROWS
            )
        self._execute(
            "INSERT INTO seen (source, delivery, at) VALUES (?, ?, ?)", source, delivery, now
        )
        self._added += 1

    def _execute(self, statement: str, *values: str | float) -> list[tuple[object, ...]]:
        assert self._database is not None  # noqa: S101  # set by open()
        return self._database.execute(statement, values).fetchall()

    def _open(self) -> None:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(self._path or ":memory:", isolation_level=None)
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StoreUnavailable(
                f"{self._path} is of a newer version ({version}): update, or delete the file"
            )
        self._database.executescript(_SCHEMA)

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    async def _run(self, call: Callable[[], T]) -> T:
        if self._executor is None:
            raise StoreUnavailable("the record of webhook deliveries is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(
                f"the record of webhook deliveries, {self._path}, cannot be used: {error}"
            ) from error
