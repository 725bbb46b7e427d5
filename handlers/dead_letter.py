"""What failed for good: published, untouched, where an operator can find it and send it back."""

from __future__ import annotations

from datetime import UTC, datetime

from dskity.bus.base.text import escape
from dskity.bus.base.wording import in_words
from dskity.bus.message import Headers, Message
from dskity.bus.topics import MAX_BYTES

ERROR = "dskity-error"
HANDLER = "dskity-handler"
ATTEMPTS = "dskity-attempts"
TOPIC = "dskity-topic"
TIME = "dskity-time"
FAILURE = frozenset({ERROR, HANDLER, ATTEMPTS, TOPIC, TIME})
"""The headers that tell of one failure; a replay is without them."""
REPLAYS = "dskity-replays"
"""How often a message was replayed. It stays on the message, and so on its next dead letter."""
_LEVEL = "dead-letter"
_MAX_ERROR = 1024  # characters: a header is for reading, and MQTT strings end at 65,535 bytes


def dead_letters(root: str) -> str:
    """What the topic of every dead letter starts with; the original topic follows."""
    return f"{root}/{_LEVEL}/"


def _text(error: BaseException) -> str:
    """In words: a payload's bytes may be quoted in it."""
    return escape(in_words(error)[:_MAX_ERROR])


def _fit(text: str) -> str:
    """`text` as it may travel, cut where MQTT's strings end. Not every broker checks what it hands
    on, and one that does would close the connection that the dead letter is sent on."""
    return escape(text).encode()[:MAX_BYTES].decode(errors="ignore")


def dead_letter(
    message: Message, root: str, error: BaseException, handler: str, attempts: int, now: float
) -> Message:
    """The dead letter of `message`: its payload and headers, and why; `now` is Unix seconds.

    Text that may not travel (`bus/base/text.py`) is escaped in it; a topic that would be too long
    with the prefix is cut, and the header has all of it.
    """
    headers: Headers = {
        **{_fit(name): _fit(value) for name, value in message.headers.items()},
        ERROR: _text(error),
        HANDLER: _fit(handler),
        ATTEMPTS: str(attempts),
        TOPIC: _fit(message.topic),
        TIME: datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
    }
    return Message(
        _fit(dead_letters(root) + message.topic),
        message.payload,
        max(message.qos, 1),
        content_type=message.content_type and _fit(message.content_type),
        headers=headers,
        correlation=message.correlation,
    )
