"""How far the consumers are, told through shared memory.

The publisher keeps at most a window ahead of it. Without that the broker would hold the whole
run in its queue, and a consumer that wakes late would be measured on one huge read.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

MOST = 8  # consumers that share the messages
_COUNTS = struct.Struct(f"<{MOST}Q")
_COUNT = struct.Struct("<Q")


class Progress:
    """A count for each consumer, in a file that all processes have mapped; `member` is whose."""

    def __init__(self, path: Path, member: int = 0) -> None:
        if not path.exists():
            path.write_bytes(bytes(_COUNTS.size))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _COUNTS.size)
        self._at = member * _COUNT.size

    def tell(self, count: int) -> None:
        """This consumer has handled so many."""
        _COUNT.pack_into(self._shared, self._at, count)

    def told(self) -> int:
        """What all of them said last, together."""
        return sum(_COUNTS.unpack_from(self._shared))
