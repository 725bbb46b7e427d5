"""How a message lies in a row of a spool's table, and comes back."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from dskity.bus.base.jsontext import parse_json
from dskity.bus.message import NO_HEADERS, Message

SCHEMA = """
CREATE TABLE spool (
    id INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, topic TEXT NOT NULL,
    payload BLOB NOT NULL, qos INTEGER NOT NULL, retain INTEGER NOT NULL, fields TEXT,
    size INTEGER NOT NULL, put_at REAL NOT NULL, expires_at REAL, refused TEXT
);
CREATE INDEX spool_retained ON spool (lane, topic) WHERE retain;
"""
COLUMNS = "id, topic, payload, qos, retain, fields, put_at, expires_at"
_INSERT = (
    "INSERT INTO spool (lane, topic, payload, qos, retain, fields, size, put_at, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_OVERHEAD = 128  # bytes a row takes beside its topic and payload, about

Row: TypeAlias = tuple[int, str, bytes, int, int, str | None, float, float | None]
"""The columns of `COLUMNS`."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One message on disk; times are Unix seconds. The message has no expiry: see `at`."""

    id: int
    message: Message
    put_at: float
    expires_at: float | None

    def at(self, now: float) -> Message:
        """The message with the seconds that are left of its expiry, 0 or less once it is over."""
        if self.expires_at is None:
            return self.message
        return replace(self.message, expires_in=self.expires_at - now)


class DamagedRow(ValueError):
    """A row that does not hold what was put; the text says where."""


def size_of(message: Message) -> int:
    """What a message takes on the disk, in bytes, about."""
    return len(message.payload) + len(message.topic) + _OVERHEAD


def insert(connection: sqlite3.Connection, message: Message, now: float, lane: str) -> int:
    """Append a message; the id of its row."""
    expires_at = None if message.expires_in is None else now + message.expires_in
    row = (
        lane, message.topic, message.payload, message.qos, message.retain,
        _fields(message), size_of(message), now, expires_at,
    )  # fmt: skip
    return int(connection.execute(_INSERT, row).lastrowid or 0)


def stored(row: Row) -> Stored:
    """A row of `COLUMNS` as it was put; `DamagedRow` where the file no longer has that."""
    id, topic, payload, qos, retain, fields, put_at, expires_at = row
    if type(topic) is not str or type(payload) is not bytes or not _is_unicode(topic):
        raise DamagedRow("its topic is no text, or its payload no bytes")
    more = _read(fields) if fields else {}
    correlation = more.get("correlation")
    message = Message(
        topic,
        payload,
        qos,
        bool(retain),
        more.get("content_type"),
        more.get("headers") or NO_HEADERS,
        more.get("reply_to"),
        None if correlation is None else bytes.fromhex(correlation),
        duplicate="duplicate" in more,
        enveloped="enveloped" in more,
    )
    return Stored(id, message, put_at, expires_at)


def bare(row: Row) -> Stored:
    """What can be read of a damaged row, for those who look at what was set aside."""
    id, topic, payload, qos, retain, _, put_at, expires_at = row
    data = payload if type(payload) is bytes else b""
    return Stored(id, Message(str(topic), data, qos, bool(retain)), put_at, expires_at)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(fields: str) -> dict[str, Any]:
    """The fields of `_fields`, each of its type."""
    try:
        more = parse_json(fields)
        bytes.fromhex(more.get("correlation", ""))
        texts = [*more.get("headers", {}).values(), more.get("content_type"), more.get("reply_to")]
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedRow(f"its fields cannot be read: {error}") from error
    if any(not isinstance(text, str | None) for text in texts):
        raise DamagedRow("one of its fields is no text")
    return dict(more)


def _fields(message: Message) -> str | None:
    """The other fields as JSON; None, as for most telemetry, where there are none."""
    fields: dict[str, Any] = {}
    if message.content_type is not None:
        fields["content_type"] = message.content_type
    if message.headers:
        fields["headers"] = dict(message.headers)
    if message.reply_to is not None:
        fields["reply_to"] = message.reply_to
    if message.correlation is not None:
        fields["correlation"] = message.correlation.hex()
    if message.duplicate:
        fields["duplicate"] = True
    if message.enveloped:
        fields["enveloped"] = True
    return json.dumps(fields) if fields else None
