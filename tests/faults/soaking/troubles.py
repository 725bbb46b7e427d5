"""The faults of the soak, each done to one runtime, or to the broker that it is connected to.

What is in the messages (panics, hostile text, threads that block) is in `site.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

from tests.faults.process import Worker
from tests.faults.scenarios.starts import FILTERS
from tests.faults.siege import Attack, answers, half_head, laid, trailers_without_end
from tests.faults.soaking.site import Site

_WHILE = 3.0  # seconds for which a broker is frozen, or strangers stay
_SOON = 2.0  # seconds at most until a runtime that was killed is killed again
_BACKLOG = 1_000  # messages that a runtime finds when it starts
_SILENT, _TRAILERS = 200, 5  # strangers

Trouble: TypeAlias = Callable[[Site, Worker, random.Random], Awaitable[str]]
"""Returns when it is over, with what was wrong, or an empty text."""


async def killed_twice(_: Site, victim: Worker, dice: random.Random) -> str:
    """The second time perhaps in the midst of its start."""
    victim.kill()
    victim.start()
    await asyncio.sleep(dice.uniform(0, _SOON))  # the moment of the fault
    victim.kill()
    victim.start()
    return ""


async def backlog_at_start(site: Site, victim: Worker, _: random.Random) -> str:
    """More than may be in flight."""
    victim.kill()
    await site.publish(_BACKLOG)
    victim.start()
    return ""


async def filter_changed(_: Site, victim: Worker, dice: random.Random) -> str:
    """Another filter than that which the broker queued for."""
    victim.kill()
    filter, route = dice.choice([each for each in FILTERS if each[0] != victim.spec.filter])
    changed = replace(victim.spec, filter=filter, route={"attempts": 2} | route)
    victim.change(changed)
    victim.start()
    return ""


async def broker_frozen(site: Site, _: Worker, __: random.Random) -> str:
    """SIGSTOP, and on."""
    site.broker.pause()
    try:
        await asyncio.sleep(_WHILE)  # the length of the fault
    finally:
        site.broker.proceed()
    return ""


async def silent_sockets(_: Site, victim: Worker, __: random.Random) -> str:
    """They say nothing, or half a head."""
    return await _besieged(victim, _SILENT, half_head)


async def trailers(_: Site, victim: Worker, __: random.Random) -> str:
    """Without an end."""
    return await _besieged(victim, _TRAILERS, trailers_without_end)


async def _besieged(victim: Worker, count: int, attack: Attack) -> str:
    async with laid(victim.door, count, attack):
        await asyncio.sleep(_WHILE)  # the length of the fault
        answered = await answers(victim.door, "/health/live")
    return "" if answered else f"/health/live was not answered during {attack.__name__}"


KILLING: tuple[Trouble, ...] = (killed_twice, backlog_at_start, filter_changed)
STANDING: tuple[Trouble, ...] = (broker_frozen, silent_sockets, trailers)


def deck(dice: random.Random, *, killed: bool) -> Iterator[Trouble]:
    """All troubles in any order, again and again; those that kill only once unless `killed`."""
    kinds = [*KILLING, *STANDING]
    while True:
        yield from dice.sample(kinds, len(kinds))
        if not killed:
            kinds = [*STANDING]
