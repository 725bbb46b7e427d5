"""Those who wait for an execution to change."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator

from pydantic_core import to_json

from dskity.modules.contract import Execution

_LIMIT = 100
_MAX_BYTES = 1024 * 1024
"""Changes that a slow watcher may be behind, and bytes of what devices said in them; then it misses
the oldest, never the end."""


class Changes:
    """The changes that wait for one watcher."""

    def __init__(self, limit: int = _LIMIT, max_bytes: int = _MAX_BYTES) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[Execution, int]] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()

    def put(self, execution: Execution, size: int) -> None:
        """Add the newest."""
        self._waiting.append((execution, size))
        self._bytes += size
        while len(self._waiting) > 1 and (
            len(self._waiting) > self._limit or self._bytes > self._max_bytes
        ):
            self._take()
        self._arrived.set()

    async def get(self) -> Execution:
        """The oldest, once there is one."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._take()

    def _take(self) -> Execution:
        execution, size = self._waiting.popleft()
        self._bytes -= size
        return execution


class Watchers:
    """The bounded changes of each watcher of each execution."""

    def __init__(self) -> None:
        self._watchers: dict[str, list[Changes]] = {}

    def tell(self, execution: Execution) -> None:
        """Hand `execution`, changed, to all who watch it."""
        watchers = self._watchers.get(execution.id)
        if watchers:
            size = _size(execution)
            for changes in watchers:
                changes.put(execution, size)

    @contextlib.contextmanager
    def changes(self, execution: str) -> Iterator[Changes]:
        """The changes of an execution, for as long as the block lasts."""
        changes = Changes()
        watchers = self._watchers.setdefault(execution, [])
        watchers.append(changes)
        try:
            yield changes
        finally:
            watchers.remove(changes)
            if not watchers:
                del self._watchers[execution]


def _size(execution: Execution) -> int:
    """Bytes of what its device has said; too large to tell counts as all that may wait."""
    said = (execution.result, execution.error, execution.progress)
    try:
        return len(to_json(said, fallback=repr))
    except (ValueError, RecursionError):
        return _MAX_BYTES
