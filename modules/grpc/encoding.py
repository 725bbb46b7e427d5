"""Our values as protobuf messages, and JSON as the bytes that stand for it in them."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from dskity.bus import message as bus
from dskity.bus.base.jsontext import NotJson, parse_json
from dskity.bus.errors import InvalidPayload
from dskity.modules import contract
from dskity.modules.grpc.v1 import dskity_pb2 as pb


def json_of(what: str, data: bytes) -> Any:
    """JSON bytes as a value; `InvalidPayload` says where they stop being JSON."""
    try:
        return parse_json(data)
    except NotJson as error:
        raise InvalidPayload(f"{what} is not JSON: {error}") from error


def message(value: bus.Message) -> pb.Message:
    """A message as subscribers and requesters get it."""
    return pb.Message(
        topic=value.topic,
        payload=value.payload,
        qos=value.qos,
        retain=value.retain,
        content_type=value.content_type,
        headers=dict(value.headers),
        reply_to=value.reply_to,
        correlation=value.correlation,
        expires_in=value.expires_in,
        duplicate=value.duplicate,
    )


def receipt(value: bus.Receipt) -> pb.Receipt:
    """Proof of a publish."""
    return pb.Receipt(
        id=value.id,
        topic=value.topic,
        qos=value.qos,
        accepted=pb.Accepted.Value(f"ACCEPTED_{value.accepted.upper()}"),
        matched=value.matched,
    )


def entry(value: contract.Entry) -> pb.Entry:
    """One key with its value."""
    return pb.Entry(
        key=value.key,
        value=to_json(value.value),
        version=value.version,
        expires_in=value.expires_in,
    )


def change(value: contract.Change) -> pb.Change:
    """One change of a key."""
    return pb.Change(
        kind=pb.ChangeKind.Value(f"CHANGE_KIND_{value.kind.upper()}"),
        key=value.key,
        version=value.version,
        value=to_json(value.value) if value.kind == "set" else None,
    )


def instance(value: contract.Instance) -> pb.Instance:
    """One live instance of a service."""
    return pb.Instance(
        service=value.service,
        instance=value.instance,
        url=value.url,
        metadata=to_json(dict(value.metadata)),
        kind=value.kind,
        ttl_seconds=value.ttl_seconds,
        registered_at=value.registered_at,
        last_seen=value.last_seen,
    )


def execution(value: contract.Execution) -> pb.Execution:
    """One command's execution."""
    return pb.Execution(
        id=value.id,
        target=value.target,
        command=value.command,
        state=pb.State.Value(f"STATE_{value.state.upper()}"),
        payload=_json_or_none(value.payload),
        result=_json_or_none(value.result),
        error=_json_or_none(value.error),
        progress=_json_or_none(value.progress),
        created_at=value.created_at,
        updated_at=value.updated_at,
        expires_at=value.expires_at,
        idempotency_key=value.idempotency_key,
    )


def _json_or_none(value: Any) -> bytes | None:
    return None if value is None else to_json(value)
