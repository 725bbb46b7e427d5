"""How long to wait between attempts."""

from __future__ import annotations

from dskity.broker.backoff import EAGER_LONGEST, LONGEST, Backoff
from dskity.bus.base.clock import VirtualClock


def highest(low: float, high: float) -> float:
    """The jitter that waits longest."""
    del low
    return high


async def test_delays_double_up_to_what_a_broker_beside_us_needs_and_then_to_the_longest() -> None:
    """For a minute an attempt follows within 1.5 s; after that within 30 s."""
    clock = VirtualClock()
    backoff = Backoff(clock, highest)
    delays = []
    while clock.monotonic() < 200:
        delays.append(backoff.delay())
        await clock.advance(delays[-1])
    assert delays[:5] == [0.2, 0.4, 0.8, 1.5, 1.5]
    eager = [delay for delay in delays if delay <= EAGER_LONGEST]
    assert 55 < sum(eager) < 65
    assert delays[len(eager) :][:5] == [3.0, 6.0, 12.0, 24.0, 30.0]
    assert max(delays) == LONGEST


def test_the_jitter_is_full() -> None:
    """From nothing to the ceiling: a fleet comes back spread over the whole time."""
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    Backoff(VirtualClock(), draw).delay()
    assert drawn == [(0.0, 0.2)]


def test_a_reset_begins_anew() -> None:
    """The connection lasted."""
    backoff = Backoff(VirtualClock(), highest)
    assert [backoff.delay(), backoff.delay()] == [0.2, 0.4]
    backoff.reset()
    assert backoff.delay() == 0.2


def test_what_only_a_person_can_mend_is_tried_slowly() -> None:
    """A wrong password, say."""
    assert LONGEST / 2 <= Backoff(VirtualClock()).long_delay() <= LONGEST
