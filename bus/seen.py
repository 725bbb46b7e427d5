"""Keys seen within a window, on disk, so that they are known after a restart too."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

from dskity.bus.clock import SYSTEM_CLOCK, Clock
from dskity.bus.database import Database

MAX_ROWS = 1_000_000  # some 100 MB; ten keys a second for 24 hours stay below
PRUNE_EVERY = 1000  # additions
_SCHEMA = """
CREATE TABLE seen (
    number INTEGER PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL,
    UNIQUE (scope, key) ON CONFLICT REPLACE
);
CREATE INDEX seen_at ON seen (at);
"""


class Seen:
    """`path` None keeps it in memory; `keep` is the longest window, in seconds.

    `scope` in the calls keeps the keys of different users of one file apart. A power cut may lose
    the last keys, which costs a duplicate and never a message; killing the process loses none.
    """

    def __init__(
        self, path: Path | None, *, what: str, keep: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.keep = keep
        self._clock = clock
        self._added = 0
        self._database = Database(path, what=what, schema=_SCHEMA, synchronous="NORMAL")

    async def open(self) -> None:
        """Open or make the file; `StateUnusable` where that cannot be."""
        await self._database.open()

    async def close(self) -> None:
        """Close the file."""
        await self._database.close()

    async def has(self, scope: str, key: str, window: float) -> bool:
        """Whether `key` was added within the last `window` seconds."""
        now = self._clock.time()
        return await self._database.run(partial(_has, scope, key, now - window, now + window))

    async def add(self, scope: str, key: str) -> None:
        """Remember `key` from now on."""
        now = self._clock.time()
        prune_before = now - self.keep if self._added % PRUNE_EVERY == 0 else None
        self._added += 1
        await self._database.run(partial(_add, scope, key, now, prune_before))


def _has(scope: str, key: str, since: float, until: float, connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM seen WHERE scope = ? AND key = ? AND at > ? AND at < ?"
    return connection.execute(query, (scope, key, since, until)).fetchone() is not None


def _add(
    scope: str, key: str, now: float, prune_before: float | None, connection: sqlite3.Connection
) -> None:
    if prune_before is not None:
        connection.execute("DELETE FROM seen WHERE at <= ?", (prune_before,))
        connection.execute(
            "DELETE FROM seen WHERE number <= (SELECT max(number) - ? FROM seen)", (MAX_ROWS,)
        )
    connection.execute("INSERT INTO seen (scope, key, at) VALUES (?, ?, ?)", (scope, key, now))
