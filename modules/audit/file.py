"""The audit log on the disk: JSON lines, for its owner alone, rotated by size.

A thread of its own writes, so that a slow disk holds up no call; what waits for it is bounded, and
lines above the bound are counted.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dskity.bus.base.clock import SYSTEM_CLOCK
from dskity.bus.base.private import open_private
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.errors import InvalidSettings, StateUnusable
from dskity.modules.audit.counters import AccessCounters

_MOST_WAITING = 10_000  # lines; some 5 MB
_MOST_TOGETHER = 200
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_WHAT = "the audit log"
_logger = logging.getLogger(__name__)


class AuditFile:
    """`path`, and beside it `path.1` … `path.{keep}`, each of some `max_bytes`, the oldest last."""

    def __init__(self, path: Path, *, max_bytes: int, keep: int, counters: AccessCounters) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._counters = counters
        self._lines: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._throttled = ThrottledLog(_logger, SYSTEM_CLOCK)
        self._thread: threading.Thread | None = None
        self._file = -1
        self._size = 0
        self._ending = False

    def open(self) -> None:
        """Open or make the file, and begin to write; `InvalidSettings` says why it cannot be."""
        try:
            self._reopen()
        except (OSError, StateUnusable) as error:
            raise InvalidSettings(f"security.audit_file: {error}") from error
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, then close."""
        if self._thread is not None:
            self._lines.put(None)
            self._thread.join()
            self._thread = None
            os.close(self._file)

    def write(self, entry: Mapping[str, Any]) -> None:
        """Add a line; at once, or counted as lost. All that is not printable ASCII is escaped."""
        try:
            self._lines.put_nowait(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        except queue.Full:
            self._counters.audit_lost += 1

    def _run(self) -> None:
        while (lines := self._gather()) is not None:
            try:
                self._append(b"".join(lines))
            except (OSError, StateUnusable) as error:
                self._counters.audit_lost += len(lines)
                self._throttled.warn(f"security.audit_file: {self.path}: {error}")

    def _gather(self) -> list[bytes] | None:
        """The next line and what came with it; None at the end."""
        first = None if self._ending else self._lines.get()
        if first is None:
            return None
        lines = [first]
        while len(lines) < _MOST_TOGETHER:
            try:
                following = self._lines.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._ending = True
                break
            lines.append(following)
        return lines

    def _append(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        while data:
            written = os.write(self._file, data)
            self._size += written
            data = data[written:]

    def _rotate(self) -> None:
        for number in range(self._keep - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        if self._keep:
            self.path.replace(self._numbered(1))
        else:
            self.path.unlink()
        self._reopen()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _reopen(self) -> None:
        file = open_private(self.path, _FLAGS, _WHAT)
        if self._file >= 0:
            os.close(self._file)
        self._file = file
        self._size = os.fstat(file).st_size
