"""How many lines a minute what strangers cause may write."""

from __future__ import annotations

from dskity.bus.base.clock import VirtualClock
from dskity.bus.base.throttled_log import EVERY_SECONDS, Allowance


async def test_some_lines_a_minute_pass_and_the_next_one_tells_of_the_others() -> None:
    clock = VirtualClock()
    lines = Allowance(clock, most=3)
    assert [lines.take() for _ in range(10)] == ["", "", "", *[None] * 7]
    await clock.advance(EVERY_SECONDS)
    assert lines.take() == " (7 lines like this one were not logged)"
    assert [lines.take() for _ in range(3)] == ["", "", None]
