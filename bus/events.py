"""Lifecycle events: documented values, and the CloudEvents 1.0.2 objects they travel as.

Every event is a *structured* CloudEvents JSON object, so that any MQTT client of any version reads
the same bytes. **Its id is a pure function of (what, key, version, change)**: two emitters of one
fact make one id, and consumers can dedupe by it. State is retained, events never are.

`Event.pattern` is the filter of the events of one type, and `read_event` reads one.

The docstrings are the entries of the topic table in `docs/reference/topics.md`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar, TypeVar

from pydantic import TypeAdapter, ValidationError

from dskity.bus.base.jsontext import NotJson, parse_json, write_json
from dskity.bus.errors import InvalidPayload, InvalidTopic
from dskity.bus.topics import ROOT, capture_of, quote

SPEC_VERSION = "1.0"
EVENT_TYPE = "application/cloudevents+json"

_FIELD = re.compile(r"\{(\w+)\}")
E = TypeVar("E", bound="Event")


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all: where it is published (below the root), its type, and its identity."""

    topic: ClassVar[str]
    """The topic below `{root}`; `{field}` is replaced by the quoted field."""
    type: ClassVar[str]
    identity: ClassVar[tuple[str, ...]]
    """The fields that make one fact; the id is computed from them and the type."""
    tree: ClassVar[str] = ""
    """The field of the topic that may be several levels, its last one; the others are one each."""

    @classmethod
    def topic_fields(cls) -> tuple[str, ...]:
        """The fields that are levels of the topic, in their order."""
        return tuple(_FIELD.findall(cls.topic))

    @classmethod
    def pattern(cls, narrow: Mapping[str, str]) -> str:
        """The filter pattern of these events, `{root}` first; `InvalidTopic` where it is none.

        `narrow` says which of them, by fields of the topic: its text is quoted as in the topic,
        but for levels `{name}`, which are captures. A field that is left out is a capture of its
        own name.
        """
        levels = (_FIELD.sub(lambda found: cls._level(found[1], narrow), cls.topic)).split("/")
        return "/".join((f"{{{ROOT}}}", *levels))

    @classmethod
    def _level(cls, name: str, narrow: Mapping[str, str]) -> str:
        text: Any = narrow.get(name)  # it comes from users' keywords
        if text is None:
            return f"{{{name}...}}" if name == cls.tree else f"{{{name}}}"
        if not isinstance(text, str) or not text:
            raise InvalidTopic(f"{name}={text!r}: write text, in which {{name}} captures a level")
        levels = text.split("/")
        if len(levels) > 1 and name != cls.tree:
            raise InvalidTopic(f"{name}={text!r}: {name} is one level of {cls.topic}, without '/'")
        return "/".join(level if capture_of(level) else quote(level) for level in levels)

    def id(self) -> str:
        """32 hex digits, the same wherever this fact is reported."""
        parts = [self.type, *(repr(getattr(self, name)) for name in self.identity)]
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]

    def topic_under(self, root: str) -> str:
        """The full topic."""
        levels = {name: quote(str(getattr(self, name))) for name in _FIELD.findall(self.topic)}
        return f"{root}/{self.topic.format(**levels)}"

    def subject(self) -> str:
        """CloudEvents `subject`: the last levels of the topic, unquoted."""
        return "/".join(str(getattr(self, name)) for name in self.identity[:2])

    def envelope(self, source: str, time: float) -> dict[str, Any]:
        """The CloudEvents object; `source` is the runtime's URI-reference, `time` Unix seconds.

        `specversion` is not first, which would have every receiver look for our other envelope
        (`envelope.py`) in it.
        """
        return {
            "id": self.id(),
            "source": source,
            "specversion": SPEC_VERSION,
            "type": self.type,
            "time": datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z"),
            "subject": self.subject(),
            "datacontenttype": "application/json",
            "data": self.data(),
        }

    def data(self) -> dict[str, Any]:
        """CloudEvents `data`: the fields."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def encode(self, source: str, time: float) -> bytes:
        """The payload as bytes; `InvalidPayload` where a field is or holds what JSON cannot."""
        try:
            return write_json(self.envelope(source, time))
        except NotJson as error:
            raise InvalidPayload(f"an event of the type {self.type}: {error}") from error


@dataclass(frozen=True, slots=True)
class KvChanged(Event):
    """The fields that all key events have; `previous_version` is the one that a write replaced (0:
    there was none), and where a key ended its last one; `store` distinguishes one lifetime of a
    store's data from the next (a store that was emptied begins at version 1 again)."""

    key: str
    version: int
    previous_version: int = 0
    ttl_seconds: float | None = None
    cause: str = "api"
    store: str = ""
    identity: ClassVar[tuple[str, ...]] = ("key", "version", "store")
    tree: ClassVar[str] = "key"


@dataclass(frozen=True, slots=True)
class KvSet(KvChanged):
    """A key was written."""

    topic: ClassVar[str] = "kv/set/{key}"
    type: ClassVar[str] = "dev.dskity.kv.set.v1"


@dataclass(frozen=True, slots=True)
class KvEnded(KvChanged):
    """With `kv.events.value` a key's end carries its last value, and `has_value` is true. Both are
    left out without it, and of a value that is too large (262,144 bytes, or what the broker takes).
    """

    value: Any = None
    has_value: bool = False

    def data(self) -> dict[str, Any]:
        """See `Event`."""
        data = KvChanged.data(self)
        if not self.has_value:
            del data["value"], data["has_value"]
        return data


@dataclass(frozen=True, slots=True)
class KvDeleted(KvEnded):
    """A key was deleted; `version` is the last one it had."""

    topic: ClassVar[str] = "kv/deleted/{key}"
    type: ClassVar[str] = "dev.dskity.kv.deleted.v1"


@dataclass(frozen=True, slots=True)
class KvExpired(KvEnded):
    """A key's time to live ended; `version` is the last one it had."""

    topic: ClassVar[str] = "kv/expired/{key}"
    type: ClassVar[str] = "dev.dskity.kv.expired.v1"


@dataclass(frozen=True, slots=True)
class ServiceEvent(Event):
    """The fields that both service events have; `incarnation` distinguishes one life of an instance
    from the next (the Unix time of its registration)."""

    service: str
    instance: str
    cause: str
    incarnation: float
    url: str = ""
    kind: str = "service"
    identity: ClassVar[tuple[str, ...]] = ("service", "instance", "incarnation")


@dataclass(frozen=True, slots=True)
class ServiceUp(ServiceEvent):
    """An instance came; `cause` is `registered`."""

    topic: ClassVar[str] = "registry/{service}/{instance}/up"
    type: ClassVar[str] = "dev.dskity.registry.up.v1"


@dataclass(frozen=True, slots=True)
class ServiceDown(ServiceEvent):
    """An instance went; `cause` is `stopped`, `lost`, `expired`, `deregistered` or `evicted`."""

    topic: ClassVar[str] = "registry/{service}/{instance}/down"
    type: ClassVar[str] = "dev.dskity.registry.down.v1"


@dataclass(frozen=True, slots=True)
class ModuleChanged(Event):
    """A module changed its state: `started`, `stopped`, `failed`, `quarantined` or `resumed`.

    `reason` says why; `digest` is 12 hex digits of the traceback, equal for equal failures;
    `sequence` counts the changes of this module in this runtime.
    """

    module: str
    state: str
    runtime: str
    sequence: int
    reason: str = ""
    digest: str = ""
    topic: ClassVar[str] = "modules/{module}/{state}"
    type: ClassVar[str] = "dev.dskity.module.changed.v1"
    identity: ClassVar[tuple[str, ...]] = ("module", "state", "runtime", "sequence")


@dataclass(frozen=True, slots=True)
class CommandChanged(Event):
    """A command's execution reached a state (see the commands reference)."""

    target: str
    execution: str
    state: str
    command: str
    result: Any = None
    error: Any = None
    progress: Any = None
    topic: ClassVar[str] = "commands/{target}/{execution}/{state}"
    type: ClassVar[str] = "dev.dskity.command.changed.v1"
    identity: ClassVar[tuple[str, ...]] = ("execution", "state", "progress")


EVENTS: tuple[type[Event], ...] = (
    KvSet,
    KvDeleted,
    KvExpired,
    ServiceUp,
    ServiceDown,
    ModuleChanged,
    CommandChanged,
)
"""All event types, for the generated reference."""


def event_types(kind: type[Event]) -> Iterator[type[Event]]:
    """Those of `EVENTS` that are of a kind: itself, or all below a base."""
    return (event for event in EVENTS if issubclass(event, kind))


def read_event(payload: bytes, kinds: Mapping[str, type[E]]) -> E:
    """The event that a payload is, of one of these kinds (by CloudEvents type).

    `InvalidPayload` where it is none of them, where its data lacks a field, and where its id is not
    that of its data: it would not be recognised when it comes again.
    """
    try:
        envelope = parse_json(payload)
    except NotJson as error:
        raise InvalidPayload(f"the payload is not JSON: {error}") from error
    if not isinstance(envelope, dict) or "specversion" not in envelope:
        raise InvalidPayload("an event is a CloudEvents JSON object, with specversion, type, data")
    kind = kinds.get(str(envelope.get("type")))
    if kind is None:
        known = ", ".join(kinds)
        raise InvalidPayload(f"an event of the type {envelope.get('type')!r}, and not {known}")
    try:
        event: E = _adapter(kind.type).validate_python(envelope.get("data"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, ("data", *first["loc"])))
        raise InvalidPayload(f"{kind.type}: {where}: {first['msg']}") from error
    if envelope.get("id") != event.id():
        raise InvalidPayload(
            f"{kind.type}: its id is {envelope.get('id')!r}, and that of its data {event.id()!r}"
        )
    return event


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(next(event for event in EVENTS if event.type == kind))
