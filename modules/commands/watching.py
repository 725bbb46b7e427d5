"""Those who wait for an execution to change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from dskity.modules.contract import Execution

_LIMIT = 100
"""Changes that a slow watcher may be behind; then it misses the oldest, never the end."""


class Watchers:
    """A bounded queue of changes for each watcher of each execution."""

    def __init__(self) -> None:
        self._queues: dict[str, list[asyncio.Queue[Execution]]] = {}

    def tell(self, execution: Execution) -> None:
        """Hand `execution`, changed, to all who watch it."""
        for queue in self._queues.get(execution.id, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(execution)

    @contextlib.contextmanager
    def changes(self, execution: str) -> Iterator[asyncio.Queue[Execution]]:
        """The changes of an execution, for as long as the block lasts."""
        queue: asyncio.Queue[Execution] = asyncio.Queue(_LIMIT)
        queues = self._queues.setdefault(execution, [])
        queues.append(queue)
        try:
            yield queue
        finally:
            queues.remove(queue)
            if not queues:
                del self._queues[execution]
