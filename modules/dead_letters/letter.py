"""One dead letter: what failed, why, and how it is sent again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from dskity.bus.message import Message
from dskity.handlers.dead_letter import ATTEMPTS, ERROR, FAILURE, HANDLER, REPLAYS, TIME

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_COUNT = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A dead letter without its payload, of which `size` is the bytes.

    `id` grows with the time of the failure. `time` is None where the letter does not tell it: one
    that another program published has what that program wrote.
    """

    id: str
    topic: str
    time: str | None
    handler: str
    attempts: int
    error: str
    size: int
    content_type: str | None
    replays: int
    connection: str | None

    @classmethod
    def of(
        cls,
        id: str,
        topic: str,
        headers: Mapping[str, str],
        size: int,
        content_type: str | None,
        connection: str | None,
    ) -> Entry:
        """The headers, read."""
        return cls(
            id,
            topic,
            headers.get(TIME),
            headers.get(HANDLER, ""),
            _number(headers.get(ATTEMPTS)),
            headers.get(ERROR, ""),
            size,
            content_type,
            _number(headers.get(REPLAYS)),
            connection,
        )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`topic` is the original one; `connection` is the named one it came on, None for ours."""

    id: str
    topic: str
    payload: bytes
    headers: Mapping[str, str]
    content_type: str | None = None
    correlation: bytes | None = None
    connection: str | None = None

    @classmethod
    def of(cls, message: Message, topic: str, connection: str | None, now: float) -> DeadLetter:
        """What arrived. `now`, in Unix seconds, counts where it does not tell its own time.

        The id is a function of the failure, so that a redelivery has the same one, and every
        runtime that keeps the letter knows it by the same name.
        """
        told = message.headers.get(TIME, "")
        handler = message.headers.get(HANDLER, "")
        digest = blake2b(digest_size=4)
        for part in (topic.encode(), handler.encode(), told.encode(), message.payload):
            digest.update(b"%d:%b" % (len(part), part))
        return cls(
            f"{_microseconds(told, now):013x}-{digest.hexdigest()}",
            topic,
            message.payload,
            message.headers,
            message.content_type,
            message.correlation,
            connection,
        )

    @property
    def handler(self) -> str:
        """Who gave up."""
        return self.headers.get(HANDLER, "")

    def entry(self) -> Entry:
        """All but the payload."""
        return Entry.of(
            self.id, self.topic, self.headers, len(self.payload), self.content_type, self.connection
        )

    def again(self) -> Message:
        """The message as it was, with one more replay counted."""
        headers = {name: value for name, value in self.headers.items() if name not in FAILURE}
        headers[REPLAYS] = str(_number(headers.get(REPLAYS)) + 1)
        return Message(
            self.topic,
            self.payload,
            content_type=self.content_type,
            headers=headers,
            correlation=self.correlation,
        )


def _number(text: str | None) -> int:
    """A count in a header; 0 where the header is not a number."""
    return int(text) if text and _COUNT.fullmatch(text) else 0


def _microseconds(told: str, now: float) -> int:
    """The Unix time of the failure; what happens in one microsecond has no order."""
    try:
        since = datetime.fromisoformat(told) - _EPOCH
    except (ValueError, TypeError):  # no time, or one without its zone
        since = timedelta(-1)
    return since // _MICROSECOND if since >= timedelta(0) else int(now * 1e6)
