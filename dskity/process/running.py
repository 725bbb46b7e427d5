"""`state_dir/runtime.json`: where a running runtime is, for the verbs of the command.

A port may be 0 in the settings; only the runtime knows which one it got. It keeps a lock on the
file for as long as it runs, so that a file which a crash has left behind is known as stale.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path

from dskity.bus.base.jsontext import NotJson, parse_json
from dskity.bus.base.threads import blocking

NAME = "runtime.json"
_MOST = 64 * 1024  # bytes; ours has about 200
_logger = logging.getLogger("dskity")


@dataclass(frozen=True, slots=True)
class Running:
    """The process and its addresses; None for a disabled API, and for a broker that is not
    ours: then the settings have its URL."""

    pid: int
    broker: str | None = None
    http: str | None = None
    grpc: str | None = None


@contextlib.asynccontextmanager
async def published(state_dir: Path, running: Running) -> AsyncIterator[None]:
    """Have the file there, with mode 0600, while the block lasts.

    A file that cannot be written is a warning: the runtime works without it.
    """
    path = state_dir / NAME
    try:
        content = json.dumps(asdict(running)).encode() + b"\n"
        lock = await blocking(_write, path, content)
    except OSError as error:
        _logger.warning("%s cannot be written (%s): commands use the settings instead", path, error)
        yield
        return
    try:
        yield
    finally:
        await blocking(_remove, path, lock)


def find_running(state_dir: Path) -> Running | None:
    """The runtime that runs on this `state_dir`; None where there is none.

    A file that somebody else could have written is not believed: our password would go to the
    broker that it names.
    """
    try:
        file = os.open(state_dir / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not _is_ours(os.fstat(file)) or not _is_held(file):
            return None
        return _parsed(os.read(file, _MOST))
    finally:
        os.close(file)


def _write(path: Path, content: bytes) -> int:
    """Replace the file at once by one that is locked already; the descriptor holds the lock."""
    fresh = path.with_name(f"{NAME}.new")  # ours alone, by the lock of state_dir
    fresh.unlink(missing_ok=True)  # what a crash has left
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(fresh, flags, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(file, content)
        fresh.replace(path)
    except OSError:
        os.close(file)
        fresh.unlink(missing_ok=True)
        raise
    return file


def _remove(path: Path, lock: int) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(lock)


def _is_ours(status: os.stat_result) -> bool:
    writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid in {0, os.geteuid()} and not writable_by_others


def _is_held(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _parsed(content: bytes) -> Running | None:
    try:
        fields = parse_json(content)
        return Running(**fields)
    except (NotJson, TypeError):
        return None
