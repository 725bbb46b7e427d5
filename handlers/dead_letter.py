"""What failed for good: published, untouched, where an operator can find it and send it back."""

from __future__ import annotations

from datetime import UTC, datetime

from dskity.bus.message import Headers, Message
from dskity.bus.topics import MAX_BYTES
from dskity.handlers.outcome import in_words

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
    """In words, without what a header may not hold: a payload's bytes may be quoted in it."""
    text = in_words(error)[:_MAX_ERROR].replace("\0", "\\0")
    return text.encode(errors="backslashreplace").decode()


def _topic(root: str, topic: str) -> str:
    """Cut where it would be longer than MQTT allows; the header has all of it."""
    return (dead_letters(root) + topic).encode()[:MAX_BYTES].decode(errors="ignore")


def dead_letter(
    message: Message, root: str, error: BaseException, handler: str, attempts: int, now: float
) -> Message:
    """The dead letter of `message`: its payload and headers, and why; `now` is Unix seconds."""
    headers: Headers = {
        **message.headers,
        ERROR: _text(error),
        HANDLER: handler,
        ATTEMPTS: str(attempts),
        TOPIC: message.topic,
        TIME: datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
    }
    return Message(
        _topic(root, message.topic),
        message.payload,
        max(message.qos, 1),
        content_type=message.content_type,
        headers=headers,
        correlation=message.correlation,
    )
