"""Messages on disk, in the order they were put: what the outbox and the inbox keep theirs in.

Bounded in messages and bytes.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from dskity.bus.errors import OutboxFull
from dskity.bus.message import Message
from dskity.bus.store.database import Database
from dskity.bus.store.rows import (
    COLUMNS,
    SCHEMA,
    DamagedRow,
    Row,
    Stored,
    bare,
    insert,
    size_of,
    stored,
)

OverflowPolicy: TypeAlias = Literal["reject", "drop_oldest"]

_COLLAPSE = (
    "DELETE FROM spool WHERE lane = ? AND topic = ? AND retain AND refused IS NULL RETURNING size"
)
_OLDEST = (
    "DELETE FROM spool WHERE id = (SELECT min(id) FROM spool WHERE refused IS NULL) RETURNING size"
)
_ADMIT = "UPDATE spool SET refused = NULL WHERE refused <> ? AND NOT (retain AND ?)"
_TOTALS = "SELECT count(*), coalesce(sum(size), 0) FROM spool WHERE refused IS NULL"
# Counting a hundred thousand rows for each message that is put would take ten milliseconds. What
# the triggers count is undone with the rows where a commit fails.
_KEEP_TOTALS = (
    "CREATE TEMP TABLE totals (messages, bytes)",
    f"INSERT INTO totals {_TOTALS}",
    (
        "CREATE TEMP TRIGGER came AFTER INSERT ON spool BEGIN"
        " UPDATE totals SET messages = messages + 1, bytes = bytes + new.size; END"
    ),
    (
        "CREATE TEMP TRIGGER went AFTER DELETE ON spool WHEN old.refused IS NULL BEGIN"
        " UPDATE totals SET messages = messages - 1, bytes = bytes - old.size; END"
    ),
    (
        "CREATE TEMP TRIGGER was_refused AFTER UPDATE OF refused ON spool WHEN old.refused IS NULL"
        " BEGIN UPDATE totals SET messages = messages - 1, bytes = bytes - old.size; END"
    ),
)
_MOST_REFUSED = 1000
_PAGE_BYTES = 4 * 1024 * 1024  # of messages in memory at once, or one that is larger
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """At most so many messages and bytes, and what happens beyond: `reject` raises `OutboxFull`,
    `drop_oldest` deletes from the front."""

    messages: int = 100_000
    bytes: int = 256 * 1024 * 1024
    policy: OverflowPolicy = "reject"


class Spool:
    """One file. `lane` in the calls keeps several queues in it apart.

    With `collapses` a retained message takes the place of an earlier one on its topic: of state
    that is to be published only the newest matters. What was received is not ours to thin out.
    What is opened again has forgotten what was refused, but for the one reason `refused_for_good`
    and, with `collapses`, for state: newer state may be where it should be by now.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        what: str,
        bounds: Bounds | None = None,
        collapses: bool = False,
        refused_for_good: str = "",
    ) -> None:
        self.what = what
        self.collapses = collapses
        self.refused_for_good = refused_for_good
        self.bounds = bounds or Bounds()
        self.messages = 0
        self.bytes = 0
        self.dropped = 0
        self.found_to = 0
        """The id up to which all is from an earlier process."""
        self._database = Database(path, what=what, schema=SCHEMA)

    async def open(self) -> None:
        """Open the file; `StateUnusable` where that cannot be."""
        await self._database.open()
        self.messages, self.bytes, self.found_to = await self._database.run(self._prepare)

    async def close(self) -> None:
        """Close the file."""
        await self._database.close()

    async def put(
        self,
        messages: Sequence[Message],
        now: float,
        lane: str = "",
        *,
        any_size: bool = False,
    ) -> list[int]:
        """Keep messages, all or none; they are on the disk when this returns their ids.

        Raises `OutboxFull` at the bound, `StoreUnavailable` where the disk is full or read-only.
        With `any_size` one message larger than the bound is kept where there is room for another
        one: for those who have nobody to tell that it never will fit.
        """
        sizes = [size_of(message) for message in messages]
        if not (any_size and len(sizes) == 1 and self._has_room):
            self._make_sure_it_fits(sizes)
        self.messages += len(sizes)  # counted now: what is asked together cannot pass the bound
        self.bytes += sum(sizes)
        done = self._database.begin(
            lambda connection: self._insert(connection, messages, now, lane)
        )
        done.add_done_callback(partial(self._was_put, sizes))
        ids, _, _ = await asyncio.shield(done)  # cancelled, they are on the disk all the same
        return ids

    async def page(self, after: int, limit: int, lane: str = "") -> list[Stored]:
        """The next messages behind the id `after`, in order: at most `limit`, and 4 MiB or one.

        A damaged row is set aside, as by `refuse`, and costs nothing but itself.
        """
        page, damaged, freed = await self._database.run(
            lambda connection: _page(connection, after, limit, lane)
        )
        self._freed(freed)
        for id, reason in damaged:
            _logger.error("%s: message %d is damaged and set aside: %s", self.what, id, reason)
        return page

    async def lanes(self) -> dict[str, int]:
        """How many messages each lane has."""
        return dict(await self._database.run(_lanes))

    async def remove(self, ids: Sequence[int]) -> None:
        """They have arrived where they should be."""
        done = self._database.begin(lambda connection: _delete(connection, ids))
        done.add_done_callback(lambda _: self._freed([] if done.exception() else done.result()))
        await asyncio.shield(done)  # cancelled, they are removed all the same

    async def move_stamps(self, seconds: float) -> None:
        """The wall clock was set by so much: what is here is as old as before."""
        await self._database.run(lambda connection: _move_stamps(connection, seconds))

    async def refuse(self, id: int, reason: str) -> None:
        """It can never be sent: keep it, with the reason, out of the way of the others.

        The newest thousand are kept; they do not count towards the bounds.
        """
        self._freed(await self._database.run(lambda connection: _refuse(connection, id, reason)))

    async def refused(self) -> list[tuple[Stored, str]]:
        """What could never be sent, and why."""
        return await self._database.run(_refused)

    @property
    def _has_room(self) -> bool:
        return self.messages < self.bounds.messages and self.bytes < self.bounds.bytes

    def _make_sure_it_fits(self, sizes: list[int]) -> None:
        bounds, size = self.bounds, sum(sizes)
        if size > bounds.bytes:
            raise OutboxFull(f"{self.what} holds {bounds.bytes} bytes; {size} do not fit")
        if bounds.policy == "reject" and (
            self.messages + len(sizes) > bounds.messages or self.bytes + size > bounds.bytes
        ):
            raise OutboxFull(
                f"{self.what} is at its bound ({self.messages} messages, {self.bytes} bytes)"
            )

    def _prepare(self, connection: sqlite3.Connection) -> tuple[int, int, int]:
        connection.execute(_ADMIT, (self.refused_for_good, self.collapses))
        if self.bounds.policy == "drop_oldest":
            for statement in _KEEP_TOTALS:
                connection.execute(statement)
        messages, size = connection.execute(_TOTALS).fetchone()
        (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM spool").fetchone()
        return int(messages), int(size), int(last)

    def _insert(
        self,
        connection: sqlite3.Connection,
        messages: Sequence[Message],
        now: float,
        lane: str,
    ) -> tuple[list[int], list[int], int]:
        """The ids of the new rows, the sizes of those that made room, and how many of these were
        dropped."""
        freed: list[int] = []
        ids: list[int] = []
        for message in messages:
            if message.retain and self.collapses:
                freed += _sizes(connection.execute(_COLLAPSE, (lane, message.topic)))
            ids.append(insert(connection, message, now, lane))
        dropped: list[int] = []
        if self.bounds.policy == "drop_oldest":
            dropped = self._make_room(connection)
        return ids, freed + dropped, len(dropped)

    def _make_room(self, connection: sqlite3.Connection) -> list[int]:
        """Delete from the front what is over the bound; the sizes of what was deleted."""
        bounds = self.bounds
        messages, size = connection.execute("SELECT messages, bytes FROM totals").fetchone()
        dropped: list[int] = []
        while messages > bounds.messages or size > bounds.bytes:
            dropped += _sizes(connection.execute(_OLDEST))
            messages, size = messages - 1, size - dropped[-1]
        return dropped

    def _was_put(self, sizes: list[int], done: asyncio.Future[tuple[Any, list[int], int]]) -> None:
        if done.exception():
            self._freed(sizes)
            return
        _, freed, dropped = done.result()
        self._freed(freed)
        self.dropped += dropped

    def _freed(self, sizes: list[int]) -> None:
        self.messages -= len(sizes)
        self.bytes -= sum(sizes)


def _lanes(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    return connection.execute(
        "SELECT lane, count(*) FROM spool WHERE refused IS NULL GROUP BY lane"
    ).fetchall()


def _sizes(cursor: sqlite3.Cursor) -> list[int]:
    return [int(size) for (size,) in cursor]


def _page(
    connection: sqlite3.Connection, after: int, limit: int, lane: str
) -> tuple[list[Stored], list[tuple[int, str]], list[int]]:
    """The page; the damaged rows that were in its way, with what is wrong, and their sizes."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM spool WHERE id > ? AND lane = ? AND refused IS NULL"  # noqa: S608
        " ORDER BY id",  # no LIMIT: damaged rows do not count, and it reads no further than asked
        (after, lane),
    )
    page: list[Stored] = []
    damaged: list[tuple[int, str]] = []
    size = 0
    while len(page) < limit and (row := rows.fetchone()) is not None:
        try:
            found = stored(row)
        except DamagedRow as error:
            damaged.append((row[0], str(error)))
            continue
        size += len(found.message.payload)
        if page and size > _PAGE_BYTES:
            break
        page.append(found)
    rows.close()
    freed: list[int] = []
    for id, reason in damaged:
        freed += _refuse(connection, id, reason)
    return page, damaged, freed


def _refused(connection: sqlite3.Connection) -> list[tuple[Stored, str]]:
    rows = connection.execute(
        f"SELECT {COLUMNS}, refused FROM spool WHERE refused IS NOT NULL ORDER BY id"  # noqa: S608
    )
    return [(_readable(row[:-1]), str(row[-1])) for row in rows]


def _readable(row: Row) -> Stored:
    try:
        return stored(row)
    except DamagedRow:
        return bare(row)


def _delete(connection: sqlite3.Connection, ids: Sequence[int]) -> list[int]:
    freed: list[int] = []
    for id in ids:
        freed += _sizes(connection.execute("DELETE FROM spool WHERE id = ? RETURNING size", (id,)))
    return freed


def _move_stamps(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(
        "UPDATE spool SET put_at = put_at + ?, expires_at = expires_at + ?", (seconds, seconds)
    )


def _refuse(connection: sqlite3.Connection, id: int, reason: str) -> list[int]:
    freed = _sizes(
        connection.execute("UPDATE spool SET refused = ? WHERE id = ? RETURNING size", (reason, id))
    )
    connection.execute(
        "DELETE FROM spool WHERE refused IS NOT NULL AND id NOT IN (SELECT id FROM spool"
        " WHERE refused IS NOT NULL ORDER BY id DESC LIMIT ?)",
        (_MOST_REFUSED,),
    )
    return freed
