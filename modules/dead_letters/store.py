"""The file of dead letters: bounded, with the oldest deleted first."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from dskity.bus import topics
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.jsontext import NotJson, parse_json
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.store.database import Database
from dskity.handlers.dead_letter import ERROR
from dskity.modules.dead_letters.bounds import Bounds
from dskity.modules.dead_letters.letter import DeadLetter, Entry

T = TypeVar("T")
_logger = logging.getLogger(__name__)
_OVERHEAD = 128  # bytes a row takes beside its texts and payload, about

# `totals` is kept by triggers: counting 10,000 rows for each letter of a flood would be the flood's
# bound.
_SCHEMA = """
CREATE TABLE letters (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, topic TEXT NOT NULL,
    handler TEXT NOT NULL, payload BLOB NOT NULL, headers TEXT NOT NULL, content_type TEXT,
    correlation BLOB, connection TEXT, size INTEGER NOT NULL, kept_at REAL NOT NULL
);
CREATE INDEX letters_kept_at ON letters (kept_at);
CREATE TABLE totals (letters INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0);
CREATE TRIGGER kept AFTER INSERT ON letters BEGIN
    UPDATE totals SET letters = letters + 1, bytes = bytes + new.size;
END;
CREATE TRIGGER deleted AFTER DELETE ON letters BEGIN
    UPDATE totals SET letters = letters - 1, bytes = bytes - old.size;
END;
"""
_INSERT = (
    "INSERT OR IGNORE INTO letters (id, topic, handler, payload, headers, content_type,"
    " correlation, connection, size, kept_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DELETE_OLDEST = "DELETE FROM letters WHERE number = (SELECT min(number) FROM letters)"
_CHOSEN = (
    " WHERE (:topic IS NULL OR matches(:topic, topic)) AND (:handler IS NULL OR handler = :handler"
    " OR substr(handler, 1, length(:handler) + 1) = :handler || '.')"
)
_NAMED = " WHERE id IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Choice:
    """Those whose original topic matches a filter, and of one handler or one module's handlers;
    None is any."""

    topic: str | None = None
    handler: str | None = None


class DeadLetterStore:
    """`path` None keeps it in memory.

    `added` counts what came in, `dropped` what the bounds on number and bytes have deleted, and
    `expired` what grew too old.
    """

    def __init__(
        self, path: Path | None, bounds: Bounds | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.bounds = bounds or Bounds()
        self.added = 0
        self.dropped = 0
        self.expired = 0
        self._clock = clock
        self._throttled = ThrottledLog(_logger, clock)
        self._database = Database(path, what="the file of dead letters", schema=_SCHEMA)

    async def open(self) -> None:
        """Open or make the file; `StateUnusable` where that cannot be."""
        await self._database.open()

    async def close(self) -> None:
        """Close the file."""
        await self._database.close()

    async def add(self, letter: DeadLetter) -> bool:
        """Keep a letter; it is on the disk when this returns. Whether it is a new one."""
        row = _row(letter, self._clock.time())
        if row[_SIZE] > self.bounds.bytes:
            self._dropped(1)
            return False
        added, dropped = await self._run(partial(_add, row, self.bounds))
        self.added += added
        self._dropped(dropped)
        return added

    async def page(self, choice: Choice, limit: int, after: str = "") -> tuple[list[Entry], int]:
        """The next letters behind the id `after`, oldest first, and how many there are in all."""
        return await self._run(partial(_page, choice, limit, after))

    async def ids(self, choice: Choice) -> list[str]:
        """The ids of all that are chosen, in the order of their arrival."""
        return await self._run(partial(_ids, choice))

    async def get(self, ids: Sequence[str]) -> list[DeadLetter]:
        """Those of these that are there, in the order of their arrival."""
        return await self._run(partial(_get, ids))

    async def known(self, ids: Sequence[str]) -> list[str]:
        """The ids that are there of these, in the order of their arrival."""
        return await self._run(partial(_known, ids))

    async def remove(self, ids: Sequence[str]) -> int:
        """How many of these were there, and are not any more."""
        return await self._run(partial(_remove, ids))

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Forget what is too old, then do the work."""
        seconds = self.bounds.seconds
        since = None if seconds is None else self._clock.time() - seconds
        expired, result = await self._database.run(lambda db: (_expire(since, db), work(db)))
        self.expired += expired
        return result

    def _dropped(self, number: int) -> None:
        self.dropped += number
        if number:
            self._throttled.warn(
                f"the bound of {self.bounds.letters} dead letters or {self.bounds.bytes} bytes is "
                "reached: the oldest are deleted; replay or drop some, or raise bus.dead_letters"
            )


_SIZE = 8  # its place in a row


def _row(letter: DeadLetter, now: float) -> tuple[Any, ...]:
    headers = json.dumps(dict(letter.headers), ensure_ascii=False)
    size = len(letter.payload) + len(letter.topic) + len(headers) + _OVERHEAD
    return (
        letter.id, letter.topic, letter.handler, letter.payload, headers, letter.content_type,
        letter.correlation, letter.connection, size, now,
    )  # fmt: skip


def _expire(since: float | None, db: sqlite3.Connection) -> int:
    return db.execute("DELETE FROM letters WHERE kept_at <= ?", (since,)).rowcount


def _add(row: tuple[Any, ...], bounds: Bounds, db: sqlite3.Connection) -> tuple[bool, int]:
    """Whether it was new, and how many had to go for it."""
    added = db.execute(_INSERT, row).rowcount > 0
    dropped = 0
    while added and _is_over(bounds, db):
        dropped += db.execute(_DELETE_OLDEST).rowcount
    return added, dropped


def _is_over(bounds: Bounds, db: sqlite3.Connection) -> bool:
    letters, size = db.execute("SELECT letters, bytes FROM totals").fetchone()
    return bool(letters > bounds.letters or size > bounds.bytes)


def _page(
    choice: Choice, limit: int, after: str, db: sqlite3.Connection
) -> tuple[list[Entry], int]:
    words = _words(choice, db) | {"after": after, "limit": limit}
    (total,) = db.execute(f"SELECT count(*) FROM letters{_CHOSEN}", words).fetchone()  # noqa: S608
    rows = db.execute(
        "SELECT id, topic, headers, length(payload), content_type, connection"  # noqa: S608
        f" FROM letters{_CHOSEN} AND id > :after ORDER BY id LIMIT :limit",
        words,
    )
    entries = [Entry.of(id, topic, _headers(headers), *rest) for id, topic, headers, *rest in rows]
    return entries, int(total)


def _ids(choice: Choice, db: sqlite3.Connection) -> list[str]:
    rows = db.execute(f"SELECT id FROM letters{_CHOSEN} ORDER BY number", _words(choice, db))  # noqa: S608
    return [str(id) for (id,) in rows]


def _words(choice: Choice, db: sqlite3.Connection) -> dict[str, Any]:
    db.create_function("matches", 2, topics.matches, deterministic=True)
    return {"topic": choice.topic, "handler": choice.handler}


def _get(ids: Sequence[str], db: sqlite3.Connection) -> list[DeadLetter]:
    rows = db.execute(
        "SELECT id, topic, payload, headers, content_type, correlation, connection"  # noqa: S608
        f" FROM letters{_NAMED} ORDER BY number",
        (json.dumps(ids),),
    )
    return [
        DeadLetter(id, topic, bytes(payload), _headers(headers), *rest)
        for id, topic, payload, headers, *rest in rows
    ]


def _headers(text: str) -> dict[str, str]:
    """The headers of a row. Where the file is damaged they are lost, which the list shows; the
    payload may be whole, so the letter can still be sent back or dropped."""
    try:
        found = parse_json(text)
    except (NotJson, TypeError):
        found = None
    if isinstance(found, dict) and all(isinstance(value, str) for value in found.values()):
        return found
    return {ERROR: "its headers are damaged in the file of dead letters, and lost"}


def _known(ids: Sequence[str], db: sqlite3.Connection) -> list[str]:
    rows = db.execute(f"SELECT id FROM letters{_NAMED} ORDER BY number", (json.dumps(ids),))  # noqa: S608
    return [str(id) for (id,) in rows]


def _remove(ids: Sequence[str], db: sqlite3.Connection) -> int:
    return db.execute(f"DELETE FROM letters{_NAMED}", (json.dumps(ids),)).rowcount  # noqa: S608
