"""A message from the arguments of a caller, checked before it leaves: the caller gets the error."""

from __future__ import annotations

from dskity.bus import topics
from dskity.bus.errors import InvalidInput
from dskity.bus.message import (
    LONGEST_EXPIRY,
    NO_HEADERS,
    Headers,
    Message,
    Payload,
    check_fields,
    encode_payload,
)


def compose(
    topic: str,
    payload: Payload,
    qos: int,
    headers: Headers | None,
    content_type: str | None,
    *,
    retain: bool = False,
    correlation: bytes | None = None,
    expires_in: float | None = None,
) -> Message:
    """The message. `InvalidTopic`, `InvalidInput` or `InvalidPayload` says what is wrong."""
    topics.check_topic(topic)
    check_qos(qos)
    check_seconds("expires_in", expires_in)
    check_fields(headers, content_type)
    data, kind = encode_payload(payload, content_type)
    return Message(
        topic, data, qos, retain, kind, headers or NO_HEADERS, None, correlation, expires_in
    )


def check_qos(qos: int) -> None:
    """`InvalidInput` for what is no QoS."""
    if qos not in {0, 1, 2}:
        raise InvalidInput(f"qos {qos!r}: write 0, 1 or 2")


def check_seconds(name: str, seconds: float | None) -> None:
    """`InvalidInput` for a time that MQTT 5 cannot tell."""
    if seconds is not None and not 0 < seconds <= LONGEST_EXPIRY:
        raise InvalidInput(f"{name} {seconds!r}: seconds above 0 and at most {LONGEST_EXPIRY}")
