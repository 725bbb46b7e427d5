"""What travels on the bus: `Message`, what may be published, and the `Receipt` of a publish."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import TypeAdapter, ValidationError

from dskity.bus.base.jsontext import NotJson, parse_json, write_json
from dskity.bus.base.text import fault_in
from dskity.bus.errors import InvalidInput, InvalidPayload, InvalidTopic

T = TypeVar("T")

Headers: TypeAlias = Mapping[str, str]
NO_HEADERS: Headers = MappingProxyType({})
LONGEST_EXPIRY = 4_294_967_295
"""Seconds that the expiry of a message can tell (MQTT 5 spec 3.3.2.3.3)."""
JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"


def read_only(headers: Mapping[str, str]) -> Headers:
    """A copy that does not change; `NO_HEADERS` where there are none."""
    return MappingProxyType(dict(headers)) if headers else NO_HEADERS


@dataclass(frozen=True, slots=True)
class Message:
    """One application message, in MQTT 5's terms (spec 3.3).

    It never changes; `headers` is a read-only copy. `expires_in` is in seconds; `duplicate` is the
    broker's redelivery flag (DUP). On a 3.1.1 connection the fields from `content_type` to
    `expires_in` are empty, unless the message arrived in an envelope (`envelope.py`): `enveloped`
    then says so, and a reply to the message travels in one.
    """

    topic: str
    payload: bytes = b""
    qos: int = 1
    retain: bool = False
    content_type: str | None = None
    headers: Headers = field(default_factory=lambda: NO_HEADERS, hash=False)
    reply_to: str | None = None
    correlation: bytes | None = None
    expires_in: float | None = None
    duplicate: bool = False
    enveloped: bool = False

    def __post_init__(self) -> None:
        headers = self.headers
        if headers is not NO_HEADERS and type(headers) is not MappingProxyType:
            object.__setattr__(self, "headers", read_only(headers))

    def json(self) -> Any:
        """The payload as JSON; `InvalidPayload` names the position of the error.

        NaN, infinities, numbers that overflow to one, lone surrogates and more than 200 levels are
        rejected (`jsontext.py`).
        """
        try:
            return parse_json(self.payload)
        except NotJson as error:
            raise InvalidPayload(f"{self.topic}: the payload is not JSON: {error}") from error

    def text(self) -> str:
        """The payload as UTF-8 text; `InvalidPayload` if it is not."""
        try:
            return self.payload.decode()
        except UnicodeDecodeError as error:
            raise InvalidPayload(f"{self.topic}: the payload is not UTF-8: {error}") from error

    def decode(self, model: type[T]) -> T:
        """The payload validated as `model`, any type that pydantic supports; else `InvalidPayload`.

        The limits of depth, digits and surrogates are those of `json`. The model decides whether a
        number may be `NaN` or overflow: `allow_inf_nan=False` in its config, or `FiniteFloat`,
        rejects it.
        """
        return decode_json(self.topic, self.payload, _adapter(model))


def _adapter(model: type[T]) -> TypeAdapter[T]:
    adapter = _adapters.get(model)
    if adapter is None:
        if len(_adapters) >= _MAX_ADAPTERS:
            _adapters.clear()  # models made at run time must not pile up
        adapter = _adapters[model] = TypeAdapter(model)
    return adapter


_adapters: dict[Any, TypeAdapter[Any]] = {}
_MAX_ADAPTERS = 512


def decode_json(topic: str, payload: bytes, adapter: TypeAdapter[T]) -> T:
    """`payload` as JSON through `adapter`; the one place where a validation error becomes ours.

    So does whatever else a model's validators raise: the same bytes would raise it again.
    """
    try:
        return adapter.validate_json(payload)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        first = details[0]
        where = ".".join(str(part) for part in first["loc"]) or "payload"
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        raise InvalidPayload(
            f"{topic}: {where}: {first['msg']}{more}", tuple(dict(d) for d in details)
        ) from error
    except Exception as error:
        raise InvalidPayload(
            f"{topic}: the payload cannot be validated: {type(error).__name__}"
        ) from error


Payload: TypeAlias = Any
"""`bytes | str | BaseModel | dataclass | dict | list | int | float | bool | None`.

Written as Any, because a type checker cannot tell a dataclass's instance from another object.
"""


def encode_payload(payload: Payload, content_type: str | None = None) -> tuple[bytes, str | None]:
    """The bytes and content type of a published value.

    Bytes stay as they are, `None` is empty, text is UTF-8; models, dataclasses, mappings, lists,
    numbers and booleans become JSON. A `content_type` that is given always stands. `InvalidPayload`
    where text has a lone surrogate or a number is NaN or infinite: UTF-8 and JSON have neither.
    """
    if isinstance(payload, bytes):
        return payload, content_type
    if payload is None:
        return b"", content_type
    if isinstance(payload, bytearray | memoryview):
        return bytes(payload), content_type
    if dataclasses.is_dataclass(payload) and isinstance(payload, type):
        raise InvalidPayload(f"{payload.__name__} is a class: publish an instance of it")
    try:
        if isinstance(payload, str):
            return payload.encode(), content_type or TEXT_TYPE
        return write_json(payload), content_type or JSON_TYPE
    except ValueError as error:
        raise InvalidPayload(
            f"a {type(payload).__name__} cannot be published: {error}; "
            "publish bytes, str, a model, a dataclass, or JSON values"
        ) from error


_MAX_TEXT = 65_535  # bytes of a text in MQTT (spec 1.5.4)


def check_fields(headers: Headers | None, content_type: str | None) -> None:
    """Refuse what may not travel (`text.py`), while there is a caller to report it to."""
    if content_type is not None:
        _check_text("content_type", content_type)
    for name, value in (headers or NO_HEADERS).items():
        _check_text("the name of a header", name)
        _check_text(f"header {name!r}", value)


def check_message(message: Message) -> None:
    """`check_fields`, and that topic and reply topic have no text that a broker may close the
    connection on; `InvalidInput` says what is wrong. MQTT's other rules for topics are for
    the part that chooses one."""
    for what, topic in (("topic", message.topic), ("reply topic", message.reply_to)):
        fault = topic and fault_in(topic)
        if fault:
            raise InvalidTopic(f"{what} {topic!r} has {fault}: leave it out")
    if message.headers or message.content_type is not None:
        check_fields(message.headers, message.content_type)


def _check_text(what: str, text: object) -> None:
    if not isinstance(text, str):
        raise InvalidInput(f"{what} is of type {type(text).__name__}: write text")
    fault = fault_in(text)
    if fault is not None:
        raise InvalidInput(f"{what} has {fault}, which MQTT forbids (1.5.4): leave it out")
    size = len(text.encode())
    if size > _MAX_TEXT:
        raise InvalidInput(f"{what} has {size} bytes: at most {_MAX_TEXT} are allowed")


Accepted: TypeAlias = Literal["broker", "outbox", "sent"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of a publish.

    `accepted` says where the message is: `broker` (acknowledged), `outbox` (on disk until the
    broker is back) or `sent` (QoS 0: handed to the client library, not kept). `matched` is False if
    the broker said that no client is subscribed (MQTT 5 reason code 0x10), True if it said that one
    is, None if it cannot say. `id` is the id of the message in this runtime.
    """

    id: str
    topic: str
    qos: int
    accepted: Accepted
    matched: bool | None = None
