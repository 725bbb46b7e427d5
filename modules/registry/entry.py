"""An entry as it is retained at `{root}/registry/{service}/{instance}`: a JSON object.

    {"service", "instance", "url", "kind", "metadata", "runtime",
     "ttl_seconds", "registered_at", "last_seen"}

`runtime` is the client id of the runtime that keeps the entry; a device that keeps its own leaves
it out. So it may all else, but for `url`, which only a device may leave out: without `ttl_seconds`
an entry holds until it is cleared.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dskity.bus.base.jsontext import NotJson, parse_json
from dskity.bus.base.text import fault_in
from dskity.bus.errors import InvalidInput, InvalidPayload
from dskity.bus.topics import quote
from dskity.modules.contract import Instance

MOST_BYTES = 64 * 1024
"""Of an entry, or of a runtime's state: every runtime on the broker keeps those of all others."""


@dataclass(frozen=True, slots=True)
class Record:
    """An instance, and the runtime that keeps its entry (empty: it keeps it itself)."""

    instance: Instance
    runtime: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What names it: service and instance."""
        return self.instance.service, self.instance.instance


_SERVICE = "service"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    url: str = ""
    kind: str = _SERVICE
    metadata: dict[str, Any] = Field(default_factory=dict)
    runtime: str = ""
    ttl_seconds: float = Field(default=0.0, ge=0)
    registered_at: float | None = None
    last_seen: float | None = None


def entry_topic(root: str, service: str, instance: str) -> str:
    """Where an entry is retained."""
    return f"{root}/registry/{quote(service)}/{quote(instance)}"


def encode(record: Record) -> dict[str, Any]:
    """The JSON object of an entry."""
    return asdict(record.instance) | {"runtime": record.runtime}


def decode(service: str, instance: str, payload: bytes, now: float) -> Record:
    """The entry of a payload; `InvalidPayload` where it is none. Times left out are `now`."""
    try:
        body = parse_json(payload, most=MOST_BYTES)
        entry = _Entry.model_validate(body)
    except NotJson as error:
        raise InvalidPayload(f"no registry entry: {error}") from error
    except ValidationError as error:
        raise InvalidPayload(f"no registry entry: {error.errors()[0]['msg']}") from error
    if "url" not in body and entry.kind == _SERVICE:  # any object would be a service else
        raise InvalidPayload("no registry entry: it has neither a url nor a kind such as device")
    found = Instance(
        service,
        instance,
        entry.url,
        entry.metadata,
        entry.kind,
        entry.ttl_seconds,
        now if entry.registered_at is None else entry.registered_at,
        now if entry.last_seen is None else entry.last_seen,
    )
    return Record(found, entry.runtime)


def check_name(what: str, name: str) -> None:
    """`InvalidInput` where `name` cannot be one level of a topic."""
    if not name or "/" in name:
        raise InvalidInput(f"{what} {name!r}: write a name of at least one character, without '/'")
    fault = fault_in(name)
    if fault is not None:
        raise InvalidInput(f"{what} {name!r} has {fault}: leave it out")
