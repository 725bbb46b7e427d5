"""The life of a lane's connection, as the table says it: no broker, no clock."""

from __future__ import annotations

import inspect
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dskity.broker.connection.connection import LaneConnection
from dskity.broker.connection.states import (
    CONNECTED,
    NEXT,
    Aim,
    Event,
    Life,
    State,
    step,
)
from dskity.bus.base.transitions import ImpossibleTransition

TOLD_FROM_OUTSIDE = (Event.FOLLOW, Event.RENEW, Event.CLOSE)
"""What the transport and the bus say at any moment."""


def after(*events: Event) -> Life:
    life = Life()
    for event in events:
        life = step(life, event)
    return life


UP = (Event.ATTEMPT, Event.ACCEPTED, Event.PLACED)


def test_the_table_has_every_state_and_reaches_each() -> None:
    """No state is without a row, none is without a way to it."""
    assert set(NEXT) == set(State)
    reached, new = {State.WAITING}, {State.WAITING}
    while new:
        new = {following for state in new for following in NEXT[state].values()} - reached
        reached |= new
    assert reached == set(State)


@pytest.mark.parametrize("state", State)
def test_what_is_told_from_outside_is_possible_in_every_state(state: State) -> None:
    """The transport and the bus do not ask in which state a lane is; nor does an error."""
    assert set(TOLD_FROM_OUTSIDE) | {Event.LOST} <= set(NEXT[state])


def test_a_connection_is_up_only_by_an_attempt_a_connack_and_its_subscriptions() -> None:
    """There is no short cut into the states in which it can be used."""
    ways = {
        (state, event)
        for state, row in NEXT.items()
        for event, following in row.items()
        if following in CONNECTED and state not in CONNECTED
    }
    assert ways == {(State.SETTLING, Event.PLACED)}
    assert after(*UP) == Life(State.UP)


@pytest.mark.parametrize(
    ("events", "event"),
    [
        ((), Event.ACCEPTED),
        ((), Event.PLACED),
        ((Event.ATTEMPT,), Event.PLACED),
        ((Event.ATTEMPT,), Event.ATTEMPT),
        (UP, Event.ATTEMPT),
        (UP, Event.ACCEPTED),
        ((), Event.UNANSWERED),
    ],
)
def test_an_event_that_the_table_does_not_have_is_an_error_that_names_both(
    events: tuple[Event, ...], event: Event
) -> None:
    """It is a fault of the program, and shows as one."""
    life = after(*events)
    with pytest.raises(ImpossibleTransition, match=f"{life.state} cannot take {event}"):
        step(life, event)


def test_closed_is_final() -> None:
    """Whatever comes after it."""
    closed = after(*UP, Event.CLOSE)
    assert {step(closed, event).state for event in Event} == {State.CLOSED}


def test_a_lane_that_follows_the_other_does_so_until_it_has_arrived() -> None:
    """Over failed attempts, and without a delay before the first."""
    moving = after(*UP, Event.FOLLOW)
    assert (moving.state, moving.again_at_once) == (State.MOVING, True)
    failed = step(step(step(moving, Event.LOST), Event.ATTEMPT), Event.LOST)
    assert failed.aims == {Aim.FOLLOW}
    arrived = step(step(step(failed, Event.ATTEMPT), Event.ACCEPTED), Event.PLACED)
    assert arrived == Life(State.UP)


def test_a_lane_that_is_not_up_need_not_be_told_to_follow() -> None:
    """Its next attempt is at the common node anyway."""
    assert after(Event.ATTEMPT, Event.FOLLOW) == after(Event.ATTEMPT)


def test_retained_messages_are_asked_for_until_all_were() -> None:
    """A connection that is lost during the renewal leaves it to the next one."""
    again = (Event.LOST, *UP)
    lost = after(*UP, Event.RENEW, *again, *again)
    assert lost.aims == {Aim.RENEW}
    assert step(lost, Event.RENEWED) == Life(State.UP)


@pytest.mark.parametrize(
    "before", [(Event.ATTEMPT,), (Event.ATTEMPT, Event.ACCEPTED), UP, (*UP, Event.FOLLOW)]
)
def test_a_connection_that_is_renewed_is_closed_and_made_again_at_once(
    before: tuple[Event, ...],
) -> None:
    """At whatever stage it is; one that is not up yet never comes up."""
    renewed = after(*before, Event.RENEW)
    assert renewed.again_at_once
    if renewed.state is State.STALE:
        settled = step(step(renewed, Event.ACCEPTED), Event.PLACED)
        assert not settled.connected
    assert step(renewed, Event.LOST) == Life(State.WAITING, renewed.aims)


def test_a_broker_that_does_not_acknowledge_is_not_tried_again_at_once() -> None:
    """Unlike one that is left on purpose."""
    assert not after(*UP, Event.UNANSWERED).again_at_once


@given(st.lists(st.sampled_from(Event), max_size=20))
def test_however_events_come_only_the_table_moves_a_lane(events: list[Event]) -> None:
    """Property: a step leads where the table says, or nowhere; aims are left where closed."""
    life = Life()
    for event in events:
        if event not in NEXT[life.state]:
            with pytest.raises(ImpossibleTransition):
                step(life, event)
            continue
        following = step(life, event)
        assert following.state is NEXT[life.state][event]
        life = following


def test_every_event_is_one_that_the_connection_tells() -> None:
    """The table describes the program: each event stands in `connection.py`."""
    source = inspect.getsource(LaneConnection)
    assert {event for event in Event if f"Event.{event.name}" in source} == set(Event)


def test_the_lane_has_no_second_account_of_its_state() -> None:
    """States are not kept in flags beside the table: 15 attributes, two of them true or false.

    `_paused` is what the bus wants, `resumed` what CONNACK said: both hold over states.
    """
    source = inspect.getsource(LaneConnection.__init__)
    attributes = [line for line in source.splitlines() if line.strip().startswith("self.")]
    flags = [line for line in attributes if line.endswith(("= False", "= True"))]
    assert len(attributes) <= 15, "\n".join(attributes)
    assert len(flags) == 2, "\n".join(flags)


def test_states_and_events_are_distinct_words() -> None:
    """Logs name them."""
    assert all(state.value == state.name.lower() for state in State)
    assert not {s for s, e in product(State, Event) if s.value == e.value}
