"""The life of a command's execution. Two rules: no clock and no I/O; an end is final.

    accepted → sent → in_progress → succeeded | failed | rejected | timed_out | cancelled

A device may answer before the broker's acknowledgement has reached us, so each state may be
skipped, and none is ever gone back to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias

from dskity.modules.contract import Execution


class State(StrEnum):
    """The states, as they stand in `Execution.state`, in events and in replies."""

    ACCEPTED = "accepted"
    SENT = "sent"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


ENDED: Final = frozenset(
    {State.SUCCEEDED, State.FAILED, State.REJECTED, State.TIMED_OUT, State.CANCELLED}
)
REPORTABLE: Final = frozenset({State.IN_PROGRESS, State.SUCCEEDED, State.FAILED, State.REJECTED})
"""What a device may say of its execution; the other states are ours to give."""

NEXT: Final[dict[State, frozenset[State]]] = {
    State.ACCEPTED: frozenset({State.SENT, State.IN_PROGRESS}) | ENDED,
    State.SENT: frozenset({State.IN_PROGRESS}) | ENDED,
    State.IN_PROGRESS: frozenset({State.IN_PROGRESS}) | ENDED,
} | {ended: frozenset[State]() for ended in ENDED}
"""Which states may follow which."""

Verdict: TypeAlias = Literal["changed", "duplicate", "late"]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an execution: the state that it calls for, and what came with it."""

    state: State
    result: Any = None
    error: Any = None
    progress: Any = None


@dataclass(frozen=True, slots=True)
class Step:
    """An execution after a change, and what the change was.

    `duplicate` said what was known already, `late` came after something that outranks it; both
    leave the execution as it is.
    """

    execution: Execution
    verdict: Verdict


def has_ended(execution: Execution) -> bool:
    """Whether its state is final."""
    return State(execution.state) in ENDED


def step(execution: Execution, change: Change, now: float) -> Step:
    """`execution` after `change` at `now` (Unix seconds)."""
    if _says_nothing_new(execution, change):
        return Step(execution, "duplicate")
    if change.state not in NEXT[State(execution.state)]:
        return Step(execution, "late")
    changed = replace(
        execution,
        state=change.state.value,
        result=change.result,
        error=change.error,
        progress=execution.progress if change.progress is None else change.progress,
        updated_at=now,
    )
    return Step(changed, "changed")


def _says_nothing_new(execution: Execution, change: Change) -> bool:
    return (
        execution.state == change.state
        and execution.result == change.result
        and execution.error == change.error
        and (change.progress is None or execution.progress == change.progress)
    )
