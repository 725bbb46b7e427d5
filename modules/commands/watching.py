"""Those who wait for an execution to change."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from operator import itemgetter

from pydantic_core import to_json

from dskity.bus.base.drop_oldest import DropOldest
from dskity.modules.contract import Execution

_LIMIT = 100
_MAX_BYTES = 1024 * 1024
"""Changes that a slow watcher may be behind, and bytes of what devices said in them; then it misses
the oldest, never the end."""


class Changes:
    """The changes that wait for one watcher."""

    def __init__(self, limit: int = _LIMIT, max_bytes: int = _MAX_BYTES) -> None:
        self._waiting: DropOldest[tuple[Execution, int]] = DropOldest(
            limit, max_bytes=max_bytes, size_of=itemgetter(1)
        )

    def put(self, execution: Execution, size: int) -> None:
        """Add the newest."""
        self._waiting.put((execution, size))

    async def get(self) -> Execution:
        """The oldest, once there is one."""
        await self._waiting.wait()
        execution, _ = self._waiting.take()
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
