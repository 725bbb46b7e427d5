"""A filter that was changed between two starts: what the old one has queued is handled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dskity.bus.message import Message
from tests.contract.box import box
from tests.contract.house import House
from tests.waiting import until

pytestmark = pytest.mark.needs("persistent", "redelivery")

CHANGES: dict[str, tuple[str, str | None, str, str | None]] = {
    "widened": ("a/b/+", None, "a/#", None),
    "narrowed": ("a/#", None, "a/b/+", None),
    "a level captured": ("a/b/c", None, "a/{x}/c", None),
    "captures renamed": ("a/{x}/{y}", None, "a/{one}/{two}", None),
    "a tail captured": ("a/{x}/{y}", None, "a/{tail...}", None),
}
OF_GROUPS: dict[str, tuple[str, str | None, str, str | None]] = {
    "given a group": ("a/b/c", None, "a/b/c", "g"),
    "taken from a group": ("a/b/c", "g", "a/b/c", None),
    "of another group": ("a/b/c", "g", "a/b/c", "h"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_was_queued_under_another_filter_is_handled_once(
    house: House, tmp_path: Path, change: str
) -> None:
    """And so is what comes afterwards, though the broker still has the old filter too."""
    await _handled_once(house, tmp_path, *CHANGES[change])


@pytest.mark.needs("queues of groups")
@pytest.mark.parametrize("change", OF_GROUPS)
async def test_what_was_queued_under_a_filter_in_or_out_of_a_group_is_handled_once(
    house: House, tmp_path: Path, change: str
) -> None:
    await _handled_once(house, tmp_path, *OF_GROUPS[change])


async def _handled_once(
    house: House,
    tmp_path: Path,
    before: str,
    group_before: str | None,
    after: str,
    group_after: str | None,
) -> None:
    handled: Counter[bytes] = Counter()

    async def first_handler() -> None:
        pass

    async def handler(message: Message) -> None:
        handled[message.payload] += 1

    async with box(house, tmp_path) as first:
        await first.bus.subscribe(before, first_handler, group=group_before)
        await first.ready()
    sender = await house.connected("sender")
    for number in range(100):
        await sender.publish("a/b/c", b"%d" % number)
    async with box(house, tmp_path) as second:
        await second.bus.subscribe(after, handler, group=group_after)
        await second.ready()
        await until(lambda: len(handled) == 100, f"all that was queued, not {len(handled)}")
        for number in range(100, 120):
            await sender.publish("a/b/c", b"%d" % number)
        await until(lambda: len(handled) == 120, "what is new")
        await until(lambda: second.dispatcher.in_flight.messages == 0, "nothing is under way")
        if house.cell.broker != "rumqttd":  # its copies for two filters do not come side by side
            assert set(handled.values()) == {1}
        assert second.bus.counters.unrouted == 0


@pytest.mark.needs("queues of groups", "unsubscribes_resumed", "a slow reconnect")
async def test_who_was_subscribed_without_the_group_shares_from_the_first_message_on(
    house: House, tmp_path: Path
) -> None:
    """The old filter goes from the broker's session: else each member would handle each message."""
    handled: Counter[bytes] = Counter()

    async def first_handler() -> None:
        pass

    async def handler(message: Message) -> None:
        handled[message.payload] += 1

    for name in ("one", "two"):
        async with box(house, tmp_path, name) as before:
            await before.bus.subscribe("a/+/c", first_handler)
            await before.ready()
    async with box(house, tmp_path, "one") as one, box(house, tmp_path, "two") as two:
        for member in (one, two):
            await member.bus.subscribe("a/+/c", handler, group="g")
            await member.ready()
        sender = await house.connected("sender")
        for number in range(100):
            await sender.publish("a/b/c", b"%d" % number)
        await until(lambda: len(handled) == 100, f"all, not {len(handled)}")
        await until(lambda: one.dispatcher.in_flight.messages == 0, "one is done")
        await until(lambda: two.dispatcher.in_flight.messages == 0, "two is done")
        assert set(handled.values()) == {1}
