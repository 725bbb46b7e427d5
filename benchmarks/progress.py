"""How far a consumer is, told through shared memory.

The publisher keeps at most a window ahead of it. Without that the broker would hold the whole
run in its queue, and a consumer that wakes late would be measured on one huge read.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_COUNT = struct.Struct("<Q")


class Progress:
    """A count in a file of eight bytes that two processes have mapped."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_COUNT.size))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _COUNT.size)

    def tell(self, count: int) -> None:
        """The consumer has handled so many."""
        _COUNT.pack_into(self._shared, 0, count)

    def told(self) -> int:
        """What the consumer said last."""
        return int(_COUNT.unpack_from(self._shared)[0])
