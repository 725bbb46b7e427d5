"""Whether `state_dir` can be written: a full disk is named by readiness before messages need it."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from dskity.bus.base.clock import Clock
from dskity.bus.base.threads import blocking

EVERY = 5.0
"""Seconds between two tries: whoever may ask for readiness could else have us write for ever."""
_BYTES = b"\0" * 4096  # one block; a smaller file may find room where no database does
_FIXES = {
    errno.ENOSPC: "free disk space",
    errno.EDQUOT: "free disk space, or raise the quota",
    errno.EROFS: "mount it writable",
}


class StateDisk:
    """Writes a block into the folder and takes it away again, as often as `check` is asked, and
    not more than every 5 s: the answer clears itself."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._due = clock.monotonic()
        self._reason: str | None = None

    async def check(self) -> str | None:
        """See `Check`: why nothing can be written, or None."""
        now = self._clock.monotonic()
        if now >= self._due:
            self._due = now + EVERY
            self._reason = await blocking(_why_not, self._folder)
        return self._reason


def _why_not(folder: Path) -> str | None:
    try:
        _write(folder)
    except OSError as error:
        fix = _FIXES.get(error.errno or 0, "see that the folder can be written")
        return f"state_dir ({folder}) cannot be written: {error.strerror or error}: {fix}"
    return None


def _write(folder: Path) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".room-", dir=folder)
    try:
        os.unlink(name)  # noqa: PTH108  # nothing stays, also where the process is killed
        with contextlib.closing(os.fdopen(descriptor, "wb", buffering=0)) as file:
            descriptor = -1
            file.write(_BYTES)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
