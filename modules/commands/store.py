"""Where executions are kept: a protocol that a durable store can fulfil, and the one in memory."""

from __future__ import annotations

from typing import Protocol

from dskity.modules.commands.states import has_ended
from dskity.modules.contract import Execution


class ExecutionStore(Protocol):
    """Executions by id and by idempotency key. Synchronous: a reply is applied as it arrives."""

    def save(self, execution: Execution) -> None:
        """Keep it in place of what has its id; an idempotency key that it has given up is free."""
        ...

    def get(self, execution: str) -> Execution | None:
        """The execution of an id."""
        ...

    def by_key(self, idempotency_key: str) -> Execution | None:
        """The execution that holds an idempotency key."""
        ...

    def find(self, target: str | None, state: str | None) -> list[Execution]:
        """Those of a target and in a state (None: any), newest first."""
        ...


class MemoryExecutions:
    """All open executions, and of the ended ones the last `keep` that ended."""

    def __init__(self, keep: int = 10_000) -> None:
        self._keep = keep
        self._all: dict[str, Execution] = {}
        self._keys: dict[str, str] = {}
        self._ended: dict[str, None] = {}  # a set in the order of ending

    def save(self, execution: Execution) -> None:
        before = self._all.get(execution.id)
        if before is not None and before.idempotency_key != execution.idempotency_key:
            self._release(before)
        self._all[execution.id] = execution
        if execution.idempotency_key is not None:
            self._keys[execution.idempotency_key] = execution.id
        if has_ended(execution):
            self._ended[execution.id] = None
            self._evict()

    def get(self, execution: str) -> Execution | None:
        return self._all.get(execution)

    def by_key(self, idempotency_key: str) -> Execution | None:
        return self._all.get(self._keys.get(idempotency_key, ""))

    def find(self, target: str | None, state: str | None) -> list[Execution]:
        return [
            execution
            for execution in reversed(self._all.values())
            if target in {None, execution.target} and state in {None, execution.state}
        ]

    def _evict(self) -> None:
        while len(self._ended) > self._keep:
            oldest = next(iter(self._ended))
            del self._ended[oldest]
            self._release(self._all.pop(oldest))

    def _release(self, execution: Execution) -> None:
        if execution.idempotency_key is not None:
            self._keys.pop(execution.idempotency_key, None)
