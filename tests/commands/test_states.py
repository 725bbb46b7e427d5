"""The life of an execution: an end is final, nothing is gone back to, nothing is told twice."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dskity.modules.commands.states import (
    ENDED,
    NEXT,
    REPORTABLE,
    Change,
    State,
    has_ended,
    step,
)
from dskity.modules.contract import Execution

ORDER = (State.ACCEPTED, State.SENT, State.IN_PROGRESS)


def execution(state: State) -> Execution:
    return Execution("e1", "vent", "open", state.value, created_at=1, updated_at=1)


def test_a_command_goes_from_accepted_to_its_end() -> None:
    """Each change is stamped, and the progress stays when the result comes."""
    current = execution(State.ACCEPTED)
    for moment, change in enumerate(
        (
            Change(State.SENT),
            Change(State.IN_PROGRESS, progress=50),
            Change(State.SUCCEEDED, result={"open": 40}),
        ),
        start=2,
    ):
        after = step(current, change, moment)
        assert after.verdict == "changed"
        assert (after.execution.state, after.execution.updated_at) == (change.state, moment)
        current = after.execution
    assert (current.progress, current.result) == (50, {"open": 40})


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_end_is_final(state: State) -> None:
    """Whatever comes after it is late."""
    for change in State:
        if change is not state:
            after = step(execution(state), Change(change), 2)
            assert (after.verdict, after.execution.state) == ("late", state)


@pytest.mark.parametrize("state", State)
def test_the_same_again_is_a_duplicate(state: State) -> None:
    """It changes nothing, not even the time."""
    assert step(execution(state), Change(state), 2) == step(execution(state), Change(state), 3)
    assert step(execution(state), Change(state), 2).verdict == "duplicate"


def test_a_second_end_with_another_result_is_late() -> None:
    """The first answer stands."""
    first = step(execution(State.SENT), Change(State.SUCCEEDED, result=1), 2).execution
    after = step(first, Change(State.SUCCEEDED, result=2), 3)
    assert (after.verdict, after.execution.result) == ("late", 1)


def test_progress_may_be_reported_many_times() -> None:
    """Each new value is a change, the same value is not."""
    current = execution(State.IN_PROGRESS)
    verdicts = []
    for progress in (10, 10, 20):
        after = step(current, Change(State.IN_PROGRESS, progress=progress), 2)
        verdicts.append(after.verdict)
        current = after.execution
    assert verdicts == ["changed", "duplicate", "changed"]


def test_the_broker_may_acknowledge_after_the_device_has_answered() -> None:
    """`sent` is then late, and the answer stands."""
    answered = step(execution(State.ACCEPTED), Change(State.SUCCEEDED, result=1), 2).execution
    assert step(answered, Change(State.SENT), 3).execution == answered


def test_the_table_has_every_state_and_no_way_back() -> None:
    """Only what is open goes on."""
    assert set(NEXT) == set(State)
    for earlier, later in product(ORDER, ORDER):
        if ORDER.index(later) < ORDER.index(earlier):
            assert later not in NEXT[earlier]


@given(st.lists(st.sampled_from(State), max_size=12))
def test_however_changes_come_a_command_ends_once(changes: list[State]) -> None:
    """Property: after the first end the execution is the same for ever."""
    current = execution(State.ACCEPTED)
    ended: Execution | None = None
    for moment, state in enumerate(changes):
        current = step(current, Change(state), moment).execution
        if ended is None and has_ended(current):
            ended = current
        assert ended is None or current == ended


def test_a_device_cannot_give_the_states_that_are_ours() -> None:
    """It neither accepts, sends, times out nor cancels."""
    ours = {State.ACCEPTED, State.SENT, State.TIMED_OUT, State.CANCELLED}
    assert set(State) - REPORTABLE == ours
