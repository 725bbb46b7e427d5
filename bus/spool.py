"""Messages on disk, in the order they were put: what the outbox and the inbox keep theirs in.

Bounded in messages and bytes. A retained message takes the place of an earlier one on its topic:
only the newest state matters.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from dskity.bus.database import Database
from dskity.bus.errors import OutboxFull
from dskity.bus.message import NO_HEADERS, Message

OverflowPolicy: TypeAlias = Literal["reject", "drop_oldest"]

_SCHEMA = """
CREATE TABLE spool (
    id INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, topic TEXT NOT NULL,
    payload BLOB NOT NULL, qos INTEGER NOT NULL, retain INTEGER NOT NULL, fields TEXT,
    size INTEGER NOT NULL, put_at REAL NOT NULL, expires_at REAL, refused TEXT
);
CREATE INDEX spool_retained ON spool (lane, topic) WHERE retain;
"""
_INSERT = (
    "INSERT INTO spool (lane, topic, payload, qos, retain, fields, size, put_at, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_COLLAPSE = "DELETE FROM spool WHERE lane = ? AND topic = ? AND retain RETURNING size"
_MOST_REFUSED = 1000
_MESSAGE_OVERHEAD = 128  # bytes a row takes beside its topic and payload, about


@dataclass(frozen=True, slots=True)
class Bounds:
    """At most so many messages and bytes, and what happens beyond: `reject` raises `OutboxFull`,
    `drop_oldest` deletes from the front."""

    messages: int = 100_000
    bytes: int = 256 * 1024 * 1024
    policy: OverflowPolicy = "reject"


@dataclass(frozen=True, slots=True)
class Stored:
    """One message on disk; times are Unix seconds."""

    id: int
    message: Message
    put_at: float
    expires_at: float | None


class Spool:
    """One file. `lane` in the calls keeps several queues in it apart."""

    def __init__(self, path: Path | None, *, what: str, bounds: Bounds | None = None) -> None:
        self.what = what
        self.bounds = bounds or Bounds()
        self.messages = 0
        self.bytes = 0
        self.dropped = 0
        self._database = Database(path, what=what, schema=_SCHEMA)

    async def open(self) -> None:
        """Open the file; `StateUnusable` where that cannot be."""
        await self._database.open()
        self.messages, self.bytes = await self._database.run(_totals)

    async def close(self) -> None:
        """Close the file."""
        await self._database.close()

    async def put(self, messages: Sequence[Message], now: float, lane: str = "") -> list[int]:
        """Keep messages, all or none; they are on the disk when this returns their ids.

        Raises `OutboxFull` at the bound, `StoreUnavailable` where the disk is full or read-only.
        """
        sizes = [len(m.payload) + len(m.topic) + _MESSAGE_OVERHEAD for m in messages]
        self._make_sure_it_fits(sizes)
        self.messages += len(sizes)  # counted now: what is asked together cannot pass the bound
        self.bytes += sum(sizes)
        done = self._database.begin(
            lambda connection: self._insert(connection, messages, sizes, now, lane)
        )
        done.add_done_callback(
            lambda _: self._freed(sizes if done.exception() else done.result()[1])
        )
        ids, _ = await asyncio.shield(done)  # cancelled, they are on the disk all the same
        return ids

    async def page(self, after: int, limit: int, lane: str = "") -> list[Stored]:
        """The next messages behind the id `after`, in order."""
        return await self._database.run(lambda connection: _page(connection, after, limit, lane))

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

    def _insert(
        self,
        connection: sqlite3.Connection,
        messages: Sequence[Message],
        sizes: list[int],
        now: float,
        lane: str,
    ) -> tuple[list[int], list[int]]:
        """The ids of the new rows, and the sizes of the rows that made room."""
        freed: list[int] = []
        ids: list[int] = []
        for message, size in zip(messages, sizes, strict=True):
            if message.retain:
                freed += _sizes(connection.execute(_COLLAPSE, (lane, message.topic)))
            expires_at = None if message.expires_in is None else now + message.expires_in
            row = (
                lane, message.topic, message.payload, message.qos, message.retain,
                _fields(message), size, now, expires_at,
            )  # fmt: skip
            ids.append(int(connection.execute(_INSERT, row).lastrowid or 0))
        if self.bounds.policy == "drop_oldest":
            freed += self._make_room(connection)
        return ids, freed

    def _make_room(self, connection: sqlite3.Connection) -> list[int]:
        """Delete from the front what is over the bound; the sizes of what was deleted."""
        bounds = self.bounds
        if self.messages <= bounds.messages and self.bytes <= bounds.bytes:
            return []  # the loop's figures count what is not yet in: within them is within
        messages, size = _totals(connection)
        dropped: list[int] = []
        while messages > bounds.messages or size > bounds.bytes:
            dropped += _sizes(
                connection.execute(
                    "DELETE FROM spool WHERE id ="
                    " (SELECT min(id) FROM spool WHERE refused IS NULL) RETURNING size"
                )
            )
            messages, size = messages - 1, size - dropped[-1]
        self.dropped += len(dropped)
        return dropped

    def _freed(self, sizes: list[int]) -> None:
        self.messages -= len(sizes)
        self.bytes -= sum(sizes)


def _totals(connection: sqlite3.Connection) -> tuple[int, int]:
    messages, size = connection.execute(
        "SELECT count(*), coalesce(sum(size), 0) FROM spool WHERE refused IS NULL"
    ).fetchone()
    return int(messages), int(size)


def _sizes(cursor: sqlite3.Cursor) -> list[int]:
    return [int(size) for (size,) in cursor]


def _page(connection: sqlite3.Connection, after: int, limit: int, lane: str) -> list[Stored]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM spool WHERE id > ? AND lane = ? AND refused IS NULL"  # noqa: S608
        " ORDER BY id LIMIT ?",
        (after, lane, limit),
    )
    return [_stored(row) for row in rows]


def _refused(connection: sqlite3.Connection) -> list[tuple[Stored, str]]:
    rows = connection.execute(
        f"SELECT {_COLUMNS}, refused FROM spool WHERE refused IS NOT NULL ORDER BY id"  # noqa: S608
    )
    return [(_stored(row[:-1]), str(row[-1])) for row in rows]


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


_COLUMNS = "id, topic, payload, qos, retain, fields, put_at, expires_at"


def _stored(row: tuple[int, str, bytes, int, int, str | None, float, float | None]) -> Stored:
    id, topic, payload, qos, retain, fields, put_at, expires_at = row
    more = json.loads(fields) if fields else {}
    correlation = more.get("correlation")
    message = Message(
        topic,
        bytes(payload),
        qos,
        bool(retain),
        more.get("content_type"),
        more.get("headers") or NO_HEADERS,
        more.get("reply_to"),
        None if correlation is None else bytes.fromhex(correlation),
    )
    return Stored(id, message, put_at, expires_at)


def _fields(message: Message) -> str | None:
    """The MQTT 5 fields as JSON; None, as for most telemetry, where there are none."""
    fields: dict[str, Any] = {}
    if message.content_type is not None:
        fields["content_type"] = message.content_type
    if message.headers:
        fields["headers"] = dict(message.headers)
    if message.reply_to is not None:
        fields["reply_to"] = message.reply_to
    if message.correlation is not None:
        fields["correlation"] = message.correlation.hex()
    return json.dumps(fields) if fields else None
