"""A disk that hangs: the commits of one file wait for as long as a test wants.

It is held at COMMIT, in the thread that owns the file: what leaves before that, or without one,
leaves before it is on the disk.
"""

from __future__ import annotations

import sqlite3
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until

_LONGEST = 4.0  # seconds: a test that failed must end, too


class HeldDisk:
    """Make it before the file is opened; `hold` from when on it hangs. `waiting` counts the commits
    that do."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str) -> None:
        self.waiting = 0
        self._name = name
        self._free = threading.Event()
        self._free.set()
        patch.setattr(sqlite3, "connect", partial(_connect, self, sqlite3.connect))

    def hold(self) -> None:
        """From now on nothing is committed."""
        self._free.clear()

    def release(self) -> None:
        """It goes on."""
        self._free.set()

    async def hangs(self) -> None:
        """Return when a commit waits."""
        await until(lambda: self.waiting, f"a commit to {self._name}")

    def concerns(self, target: object) -> bool:
        """Whether a file is the one."""
        return Path(str(target)).name == self._name

    def pass_commit(self) -> None:
        """In the thread: return when it may commit."""
        if not self._free.is_set():
            self.waiting += 1
            self._free.wait(_LONGEST)
            self.waiting -= 1


class _Connection(sqlite3.Connection):
    disk: HeldDisk

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            self.disk.pass_commit()
        return super().execute(sql, *parameters)


def _connect(disk: HeldDisk, original: Any, target: Any, **options: Any) -> sqlite3.Connection:
    if not disk.concerns(target):
        return original(target, **options)  # type: ignore[no-any-return]
    connection: _Connection = original(target, factory=_Connection, **options)
    connection.disk = disk
    return connection


def rows(file: Path) -> int:
    """How many messages are in the file, seen by somebody else."""
    with sqlite3.connect(file) as connection:
        (count,) = connection.execute("SELECT count(*) FROM spool").fetchone()
    connection.close()
    return int(count)
