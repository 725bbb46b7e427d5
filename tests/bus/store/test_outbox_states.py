"""The life of an outbox, as the table says it: no disk, no broker, no clock."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dskity.bus.base.transitions import ImpossibleTransition
from dskity.bus.store.outbox import Outbox
from dskity.bus.store.outbox_states import (
    CONNECTED,
    NEXT,
    SENDS,
    Event,
    State,
    step,
)

TOLD_BY_OTHERS = (Event.CONNECT, Event.DISCONNECT, Event.PUT, Event.RETRY, Event.CLOSE)


def after(*events: Event) -> State:
    state = State.CLOSED
    for event in events:
        state = step(state, event)
    return state


SENDING = (Event.OPEN, Event.RELEASE, Event.CONNECT, Event.PUT)


def test_the_table_has_every_state_and_reaches_each() -> None:
    """No state is without a row, none is without a way to it."""
    assert set(NEXT) == set(State)
    reached, new = {State.CLOSED}, {State.CLOSED}
    while new:
        new = {following for state in new for following in NEXT[state].values()} - reached
        reached |= new
    assert reached == set(State)


@pytest.mark.parametrize("state", State)
def test_the_link_a_publish_and_the_end_may_come_in_every_state(state: State) -> None:
    """Other tasks tell them, and do not ask for the state."""
    assert set(TOLD_BY_OTHERS) <= set(NEXT[state])


@given(st.permutations([Event.RELEASE, Event.CONNECT, Event.PUT]))
def test_it_sends_once_released_connected_and_with_something_that_waits(
    events: list[Event],
) -> None:
    """In whatever order these three come; the outbox says again at a release that something
    waits."""
    state = step(State.CLOSED, Event.OPEN)
    for event in events:
        assert state not in SENDS
        state = step(state, event)
        if event is Event.RELEASE and Event.PUT in events[: events.index(event)]:
            state = step(state, Event.PUT)
    assert state is State.SENDING


@given(st.lists(st.sampled_from(TOLD_BY_OTHERS), max_size=20))
def test_the_table_never_forgets_whether_the_broker_is_there(events: list[Event]) -> None:
    """Property: a state of `CONNECTED` after the last CONNECT, none after the last DISCONNECT."""
    state, connected = after(Event.OPEN, Event.RELEASE), False
    for event in events:
        state = step(state, event)
        if event in {Event.CONNECT, Event.DISCONNECT}:
            connected = event is Event.CONNECT
        assert (state in CONNECTED) == connected


def test_what_is_put_behind_the_last_page_is_sent_too() -> None:
    """A page was empty, and a message came before anybody knew: one more look at the disk."""
    assert after(*SENDING, Event.DRAINED) is State.READY
    assert after(*SENDING, Event.PUT, Event.DRAINED) is State.SENDING
    assert after(*SENDING, Event.DISCONNECT, Event.DRAINED, Event.CONNECT) is State.SENDING


def test_after_an_error_it_pauses_and_a_put_does_not_shorten_the_pause() -> None:
    """A broker that refuses for now is not asked at each publish."""
    paused = after(*SENDING, Event.FAILED)
    assert paused is State.PAUSED
    assert step(paused, Event.PUT) is State.PAUSED
    assert step(paused, Event.RETRY) is State.SENDING


@pytest.mark.parametrize(
    ("events", "event"),
    [
        ((), Event.RELEASE),
        ((Event.OPEN,), Event.OPEN),
        ((Event.OPEN,), Event.DRAINED),
        ((Event.OPEN, Event.RELEASE, Event.CONNECT), Event.FAILED),
    ],
)
def test_an_event_that_the_table_does_not_have_is_an_error_that_names_both(
    events: tuple[Event, ...], event: Event
) -> None:
    """It is a fault of the program, and shows as one."""
    state = after(*events)
    with pytest.raises(ImpossibleTransition, match=f"{state} cannot take {event}"):
        step(state, event)


def test_every_event_is_one_that_the_outbox_tells() -> None:
    """The table describes the program: each event stands in `outbox.py`."""
    source = inspect.getsource(Outbox)
    assert {event for event in Event if f"Event.{event.name}" in source} == set(Event)


def test_the_outbox_has_no_second_account_of_its_state() -> None:
    """States are not kept in flags beside the table: 9 attributes, none true or false."""
    attributes = vars(Outbox(None))
    assert len(attributes) <= 9, attributes
    assert not [name for name, value in attributes.items() if isinstance(value, bool)]
