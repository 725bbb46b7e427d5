"""The audit log: a JSON line for each denied and each privileged call, for its owner alone."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import InvalidSettings, Unauthenticated
from dskity.modules.audit.access import Access
from dskity.modules.audit.call import Call
from dskity.modules.audit.counters import AccessCounters
from dskity.modules.audit.file import AuditFile
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import CommandsStub, KvStub
from dskity.modules.rights import Principal
from tests.http.test_guard import bearer
from tests.runtime.house import started

OPERATOR, SENSOR = "o" * 32, "s" * 32
TOKENS = [
    {"name": "operator", "token": OPERATOR, "admin": True},
    {"name": "sensor", "token": SENSOR, "publish": ["sensors/#"]},
]


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def audit(path: Path, **bounds: int) -> AuditFile:
    """An open one."""
    given = {"max_bytes": 1_000_000, "keep": 2} | bounds
    made = AuditFile(path, counters=AccessCounters(), **given)
    made.open()
    return made


async def test_a_runtime_records_who_was_denied_what_and_who_changed_what(tmp_path: Path) -> None:
    """Over HTTP and gRPC: time, caller, peer, method, path, right, topic, verdict, request id."""
    log = tmp_path / "audit.jsonl"
    security = {"tokens": TOKENS, "audit_file": log}
    async with started(tmp_path, broker={"engine": "builtin"}, security=security) as house:
        mine = bearer(OPERATOR) | {"x-request-id": "req-1"}
        await house.http.put("/kv/a", json={"value": 1}, headers=mine)
        await house.http.get("/kv/a", headers=mine)  # a read is not privileged
        await house.http.post("/topics/sensors/1", headers=bearer(SENSOR))  # nor is telemetry
        await house.http.post("/topics/vents/1", headers=bearer(SENSOR))
        await house.http.get("/stream?filter=x", headers=bearer(SENSOR))
        await house.http.get("/kv/a")
        assert house.runtime.grpc is not None
        address = f"127.0.0.1:{house.runtime.grpc.port}"
        channel = house.runtime.clients.grpc.channel(address)
        for token in (OPERATOR, SENSOR):
            metadata = (("authorization", f"Bearer {token}"), ("x-request-id", "req-2"))
            call = KvStub(channel).Put(pb.PutRequest(key="b", value=b"1"), metadata=metadata)
            await call.code()
        call = CommandsStub(channel).Cancel(
            pb.CancelRequest(execution="none"), metadata=(("authorization", f"Bearer {OPERATOR}"),)
        )
        await call.code()
    found = entries(log)
    assert all(entry["peer"] == "127.0.0.1" and entry["time"] for entry in found)
    assert found[0]["request_id"] == "req-1"
    assert [
        (e["caller"], e["verdict"], e["method"], e["path"], e.get("right"), e.get("topic"))
        for e in found
    ] == [
        ("operator", "allowed", "PUT", "/kv/a", "publish", "dskity/kv/put"),
        ("sensor", "denied", "POST", "/topics/vents/1", "publish", "vents/1"),
        ("sensor", "denied", "GET", "/stream", "subscribe", "x"),
        (None, "no token", "GET", "/kv/a", None, None),
        ("operator", "allowed", "gRPC", "/dskity.v1.Kv/Put", "publish", "dskity/kv/put"),
        ("sensor", "denied", "gRPC", "/dskity.v1.Kv/Put", "publish", "dskity/kv/put"),
        (
            "operator", "allowed", "gRPC", "/dskity.v1.Commands/Cancel", "publish",
            "dskity/commands/execute",
        ),
    ]  # fmt: skip


async def test_without_a_path_there_is_no_audit_log(tmp_path: Path) -> None:
    """Strangers cannot fill a disk that nobody watches."""
    async with started(tmp_path, broker={"engine": "builtin"}) as house:
        await house.http.put("/kv/a", json={"value": 1})
        assert not [path for path in (tmp_path / "state").iterdir() if "audit" in path.name]


def test_it_is_for_its_owner_alone_and_no_link_is_followed(tmp_path: Path) -> None:
    """Mode 0600 from the first byte."""
    path = tmp_path / "audit"
    audit(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    link = tmp_path / "link"
    link.symlink_to(path)
    for wrong, fault in ((link, "symbolic link"), (tmp_path / "no" / "a", "cannot be used")):
        with pytest.raises(InvalidSettings, match=rf"security.audit_file: .*{fault}"):
            audit(wrong)


def test_it_is_rotated_by_size_and_so_many_are_kept(tmp_path: Path) -> None:
    """The newest lines are in the file itself; each file is for its owner alone."""
    path = tmp_path / "audit"
    log = audit(path, max_bytes=100)
    for number in range(50):
        log.write({"number": number, "padding": "x" * 60})
    log.close()
    names = sorted(found.name for found in tmp_path.iterdir())
    assert names[:1] == ["audit"]
    assert set(names) <= {"audit", "audit.1", "audit.2"}
    assert entries(path)[-1]["number"] == 49
    assert {stat.S_IMODE(found.stat().st_mode) for found in tmp_path.iterdir()} == {0o600}


def test_a_file_that_is_full_becomes_the_first_of_those_kept(tmp_path: Path) -> None:
    """And the oldest goes."""
    path = tmp_path / "audit"
    for number in range(4):
        log = audit(path, max_bytes=10)
        log.write({"n": number})
        log.close()
        log = audit(path, max_bytes=10)
        log.close()
    kept = {found.name: entries(found)[0]["n"] for found in tmp_path.iterdir()}
    assert kept == {"audit": 3, "audit.1": 2, "audit.2": 1}


def test_text_from_outside_cannot_forge_a_line(tmp_path: Path) -> None:
    """Line breaks, terminal sequences, lone surrogates: all escaped, in plain ASCII."""
    log = audit(tmp_path / "audit")
    access = Access(audit=log, clock=VirtualClock())
    nasty = 'a\n{"verdict":"allowed"}\x1b[2J\u2028\ud800é'
    caller = access.watched(Principal(nasty), Call("GET", nasty, nasty, nasty))
    with pytest.raises(Exception, match="may not subscribe"):
        caller.require_subscribe(nasty)
    access.note_refused(Unauthenticated("none"), Call("GET", nasty * 1000, nasty))
    log.close()
    raw = (tmp_path / "audit").read_bytes()
    assert raw.count(b"\n") == 2
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in raw)
    denied, _ = entries(tmp_path / "audit")
    assert (denied["caller"], denied["path"], denied["topic"]) == (nasty, nasty, nasty)


def test_what_strangers_do_cannot_push_out_what_callers_did(tmp_path: Path) -> None:
    """One line a minute a source, with their number."""
    log = audit(tmp_path / "audit")
    access = Access(audit=log, clock=VirtualClock())
    for _ in range(1000):
        access.note_refused(Unauthenticated("none"), Call("GET", "/", "192.0.2.7"))
    log.close()
    assert [entry["count"] for entry in entries(tmp_path / "audit")] == [1]


def test_lines_that_a_disk_does_not_take_are_counted(tmp_path: Path) -> None:
    """And hold up no call."""
    log = audit(tmp_path / "audit", max_bytes=10, keep=1)
    log.write({"n": 1})
    (tmp_path / "audit.1").mkdir()
    (tmp_path / "audit.1" / "x").touch()
    log.write({"n": 2})
    log.close()
    log = audit(tmp_path / "audit", max_bytes=10, keep=1)
    log.write({"n": 3})
    log.close()
    assert log._counters.audit_lost == 1
