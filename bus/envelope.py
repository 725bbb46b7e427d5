"""MQTT 5's message fields for connections that lack them: a CloudEvents 1.0.2 structured object.

On 3.1.1 a request, a reply or a dead letter travels as JSON with the extensions `replyto`,
`correlationid` (base64), `expirytime` (RFC 3339) and the headers as `h_…`; CloudEvents attribute
names are lower-case letters and digits, so a header's other characters are written `_xx` in hex.
A plain publish is never wrapped. `specversion` comes first: that is how an envelope is told from
other JSON at no cost.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from dskity.bus.base.jsontext import parse_json
from dskity.bus.base.text import fault_in
from dskity.bus.delivery import Meta
from dskity.bus.message import JSON_TYPE, LONGEST_EXPIRY, Message, read_only

ENVELOPE_TYPE = "dev.dskity.message.v1"
ENVELOPE_CONTENT = "application/cloudevents+json"
PREFIX = b'{"specversion"'
_HEADER = "h_"


def reply_address(payload: bytes) -> str | None:
    """The address that a reply to `payload` would go to, if it is an envelope with one; `""` where
    another version of this code could see one."""
    if not payload.startswith(PREFIX):
        return None
    opened = unwrap(payload, 0.0)
    if opened is not None:
        return opened[1].reply_to
    return "" if b"replyto" in payload or b"\\u" in payload else None


def plain(payload: bytes) -> bytes:
    """The same JSON, which is not taken for an envelope: a space goes before it."""
    return b" " + payload if payload.startswith(PREFIX) else payload


def wrap(message: Message, source: str, now: float) -> bytes:
    """The envelope's bytes; `source` names this runtime, `now` is Unix seconds."""
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "type": ENVELOPE_TYPE,
        "id": uuid.uuid4().hex,
        "source": source,
        "time": _rfc3339(now),
    }
    if message.reply_to is not None:
        envelope["replyto"] = message.reply_to
    if message.correlation is not None:
        envelope["correlationid"] = base64.b64encode(message.correlation).decode()
    if message.expires_in is not None:
        envelope["expirytime"] = _rfc3339(now + message.expires_in)
    for name, value in message.headers.items():
        envelope[name if name == "traceparent" else _HEADER + _escape(name)] = value
    if message.content_type is not None:
        envelope["datacontenttype"] = message.content_type
    envelope |= _data(message)
    return _compact(envelope)


def _data(message: Message) -> dict[str, Any]:
    """`data`, readable, where JSON comes out byte for byte the same; else `data_base64`."""
    if message.content_type == JSON_TYPE:
        try:
            value = parse_json(message.payload)
            if _compact(value) == message.payload:
                return {"data": value}
        except ValueError:
            pass  # no JSON
    return {"data_base64": base64.b64encode(message.payload).decode()}


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def unwrap(payload: bytes, now: float) -> tuple[bytes, Meta] | None:
    """The payload and fields inside an envelope; None where `payload` is not one of ours.

    Call it for payloads that start with `PREFIX`. Other CloudEvents objects (a lifecycle event,
    say) are left as they are, and so is one with a field whose text may not travel (`text.py`):
    MQTT 5 lets no such field in either.
    """
    try:
        envelope = parse_json(payload)
    except ValueError:
        return None
    if not isinstance(envelope, dict) or not _is_ours(envelope):
        return None
    try:
        inner = _payload(envelope)
        meta = Meta(
            content_type=_text(envelope, "datacontenttype"),
            headers=read_only(_headers(envelope)),
            reply_to=_text(envelope, "replyto"),
            correlation=_correlation(_text(envelope, "correlationid")),
            expires_in=_expires_in(_text(envelope, "expirytime"), now),
            enveloped=True,
        )
    except (ValueError, TypeError, OverflowError):
        return None
    return inner, meta


def _is_ours(envelope: dict[str, Any]) -> bool:
    return (
        envelope.get("type") == ENVELOPE_TYPE
        or "replyto" in envelope
        or ("correlationid" in envelope)
    )


def _payload(envelope: dict[str, Any]) -> bytes:
    if "data_base64" in envelope:
        return base64.b64decode(envelope["data_base64"], validate=True)
    if "data" not in envelope:
        return b""
    return _compact(envelope["data"])


def _text(envelope: dict[str, Any], name: str) -> str | None:
    value = envelope.get(name)
    return None if value is None else _fit(name, value)


def _fit(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    if fault_in(value) is not None:
        raise ValueError(f"{name} has text that may not travel")
    return value


def _headers(envelope: dict[str, Any]) -> dict[str, str]:
    headers = {
        _fit("a header's name", _unescape(name.removeprefix(_HEADER))): _fit(name, str(value))
        for name, value in envelope.items()
        if name.startswith(_HEADER)
    }
    if "traceparent" in envelope:
        headers["traceparent"] = _fit("traceparent", str(envelope["traceparent"]))
    return headers


def _correlation(text: str | None) -> bytes | None:
    """Base64 as we write it; a device that sends plain text is taken at its word."""
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return text.encode()


def _expires_in(text: str | None, now: float) -> float | None:
    if text is None:
        return None
    return min(datetime.fromisoformat(text).timestamp() - now, LONGEST_EXPIRY)


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _escape(name: str) -> str:
    return "".join(
        character
        if character.isascii() and (character.islower() or character.isdigit())
        else "".join(f"_{byte:02x}" for byte in character.encode())
        for character in name
    )


def _unescape(name: str) -> str:
    first, *rest = name.split("_")
    escaped = (bytes.fromhex(part[:2]) + part[2:].encode() for part in rest)
    return b"".join([first.encode(), *escaped]).decode()
