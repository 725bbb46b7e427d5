"""Captures: what went over a bus, kept in a file, and sent again.

A file has one JSON object a line, with the fields of `Message` that are not at their defaults. A
payload that is not UTF-8 is `payload_base64`, and so is `correlation`.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields as fields_of
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from dskity.bus.base.jsontext import NotJson, parse_json
from dskity.bus.base.threads import blocking
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidInput
from dskity.bus.message import Message
from dskity.bus.topics import check_topic


class Capture(list[Message]):
    """The recorded messages, in order of arrival; `dropped` came after the capture was full."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        super().__init__(messages)
        self.dropped = 0


@asynccontextmanager
async def record(bus: Bus, filter: str = "#", *, limit: int = 100_000) -> AsyncIterator[Capture]:
    """Record the messages that match `filter` for as long as the block lasts, `limit` at most."""
    capture = Capture()

    def accept(delivery: Delivery, captures: Mapping[str, str]) -> None:
        del captures
        if len(capture) < limit:
            capture.append(delivery.message())
        else:
            capture.dropped += 1
        delivery.done()

    subscription = await bus.attach(filter, accept)
    try:
        yield capture
    finally:
        await subscription.cancel()


def save(path: Path, messages: Iterable[Message]) -> None:
    """Write messages to a file."""
    lines = (json.dumps(_to_line(message), ensure_ascii=False) for message in messages)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def load(path: Path) -> Capture:
    """Read a file; `InvalidInput` names the first line that is no message."""
    capture = Capture()
    # Not `splitlines`, to which a NEL in a string is the end of a line.
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            capture.append(_Line.model_validate(parse_json(line)).message())
        except NotJson as error:
            raise InvalidInput(f"{path}:{number}: line: Invalid JSON: {error}") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "line"
            raise InvalidInput(f"{path}:{number}: {where}: {first['msg']}") from error
    return capture


async def replay(bus: Bus, source: Path | Iterable[Message]) -> int:
    """Publish a file or messages, one after another as fast as they are safe; how many."""
    messages = await blocking(load, source) if isinstance(source, Path) else source
    count = 0
    for message in messages:
        await bus.send(replace(message, duplicate=False))
        count += 1
    return count


def _decoded(text: str) -> str:
    b64decode(text, validate=True)
    return text


_Base64 = Annotated[str, AfterValidator(_decoded)]


class _Line(BaseModel):
    """One message of a file."""

    model_config = ConfigDict(extra="forbid")

    topic: Annotated[str, AfterValidator(check_topic)]
    payload: str = ""
    payload_base64: _Base64 | None = None
    qos: int = Field(default=1, ge=0, le=2)
    retain: bool = False
    content_type: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    reply_to: str | None = None
    correlation: _Base64 | None = None
    expires_in: float | None = Field(default=None, gt=0)
    duplicate: bool = False
    enveloped: bool = False

    def message(self) -> Message:
        """The message."""
        fields = {name: getattr(self, name) for name in _AS_THEY_ARE}
        raw = self.payload.encode()
        data = raw if self.payload_base64 is None else b64decode(self.payload_base64)
        correlation = None if self.correlation is None else b64decode(self.correlation)
        return Message(payload=data, correlation=correlation, **fields)


_AS_THEY_ARE = tuple(
    field.name for field in fields_of(Message) if field.name not in {"payload", "correlation"}
)
"""The fields of a message that JSON can hold as they are."""


def _to_line(message: Message) -> dict[str, Any]:
    correlation = message.correlation
    fields = {name: getattr(message, name) for name in _AS_THEY_ARE}
    line = _Line(
        **fields | {"headers": dict(message.headers)},
        correlation=None if correlation is None else b64encode(correlation).decode(),
    )
    try:
        line.payload = message.payload.decode()
    except UnicodeDecodeError:
        line.payload_base64 = b64encode(message.payload).decode()
    return line.model_dump(exclude_defaults=True)
