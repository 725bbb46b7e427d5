"""Lifecycle events: documented values, and the CloudEvents 1.0.2 objects they travel as.

Every event is a *structured* CloudEvents JSON object, so that any MQTT client of any version reads
the same bytes. **Its id is a pure function of (what, key, version, change)**: two emitters of one
fact make one id, and consumers can dedupe by it. State is retained, events never are.

The docstrings are the entries of the topic table in `docs/reference/topics.md`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar

from dskity.bus.base.jsontext import NotJson, write_json
from dskity.bus.errors import InvalidPayload
from dskity.bus.topics import quote

SPEC_VERSION = "1.0"
EVENT_TYPE = "application/cloudevents+json"

_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all: where it is published (below the root), its type, and its identity."""

    topic: ClassVar[str]
    """The topic below `{root}`; `{field}` is replaced by the quoted field."""
    type: ClassVar[str]
    identity: ClassVar[tuple[str, ...]]
    """The fields that make one fact; the id is computed from them and the type."""

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
            "data": {field.name: getattr(self, field.name) for field in fields(self)},
        }

    def encode(self, source: str, time: float) -> bytes:
        """The bytes on the wire; `InvalidPayload` where a field is or holds what JSON cannot."""
        try:
            return write_json(self.envelope(source, time))
        except NotJson as error:
            raise InvalidPayload(f"an event of the type {self.type}: {error}") from error


@dataclass(frozen=True, slots=True)
class KvChanged(Event):
    """The fields that all key events have; `previous_version` is the one that a write replaced (0:
    there was none), and where a key ended its last one; `store` tells one life of a store's data
    from the next (a store that was emptied begins at version 1 again)."""

    key: str
    version: int
    previous_version: int = 0
    ttl_seconds: float | None = None
    cause: str = "api"
    store: str = ""
    identity: ClassVar[tuple[str, ...]] = ("key", "version", "store")


@dataclass(frozen=True, slots=True)
class KvSet(KvChanged):
    """A key was written."""

    topic: ClassVar[str] = "kv/set/{key}"
    type: ClassVar[str] = "dev.dskity.kv.set.v1"


@dataclass(frozen=True, slots=True)
class KvDeleted(KvChanged):
    """A key was deleted; `version` is the last one it had."""

    topic: ClassVar[str] = "kv/deleted/{key}"
    type: ClassVar[str] = "dev.dskity.kv.deleted.v1"


@dataclass(frozen=True, slots=True)
class KvExpired(KvChanged):
    """A key's time to live ended; `version` is the last one it had."""

    topic: ClassVar[str] = "kv/expired/{key}"
    type: ClassVar[str] = "dev.dskity.kv.expired.v1"


@dataclass(frozen=True, slots=True)
class ServiceEvent(Event):
    """The fields that both service events have; `incarnation` tells one life of an instance from
    the next (the Unix time of its registration)."""

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
