"""Any mix of handlers that publish, request, stream and subscribe ends, at any bound."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.house_bus import House, memory_house
from tests.waiting import until

DEEPEST = 3  # levels of handlers; each asks only deeper ones


@dataclass(frozen=True)
class Plan:
    """What the handlers of one level do, in order, and how many of them may at once."""

    acts: tuple[str, ...]
    concurrency: int
    ordered: bool


PLANS = st.builds(
    Plan,
    st.lists(
        st.sampled_from(["publish", "request", "stream", "subscribe", "turn"]), max_size=3
    ).map(tuple),
    st.sampled_from([1, 2, 64]),
    st.booleans(),
)


class Mix:
    """The handlers; `handled` counts their messages by level."""

    def __init__(self, house: House, plans: list[Plan]) -> None:
        self.handled: Counter[int] = Counter()
        self.published = 0
        self._bus = house.bus
        self._plans = plans

    async def begin(self) -> None:
        """Subscribe all levels, and what is published on the way."""
        for level, plan in enumerate(self._plans):
            await self._bus.subscribe(
                f"level/{level}/{{n}}",
                self._handler(level, plan),
                concurrency=plan.concurrency,
                order_by="topic" if plan.ordered else None,
            )
        await self._bus.subscribe("noted/#", self._note)

    async def _note(self) -> None:
        self.published -= 1

    def _handler(self, level: int, plan: Plan):  # type: ignore[no-untyped-def]  # noqa: ANN202  # bound by its signature
        async def handle(n: str) -> str:
            for act in plan.acts:
                await getattr(self, f"_{act}")(level, n)
            self.handled[level] += 1
            return n

        return handle

    async def _publish(self, level: int, n: str) -> None:
        self.published += 1
        await self._bus.publish(f"noted/{level}/{n}")

    async def _request(self, level: int, n: str) -> None:
        if level + 1 < len(self._plans):
            assert (await self._bus.request(f"level/{level + 1}/{n}", timeout=60)).text() == n

    async def _stream(self, level: int, n: str) -> None:
        async with self._bus.stream(f"seen/{level}/{n}", qos=1) as messages:
            await self._bus.publish(f"seen/{level}/{n}", n)
            async for message in messages:
                assert message.text() == n
                return

    async def _subscribe(self, level: int, n: str) -> None:
        subscription = await self._bus.subscribe(f"new/{level}/{n}", self._note)
        await subscription.cancel()

    async def _turn(self, level: int, n: str) -> None:
        del level, n
        await asyncio.sleep(0)


@settings(max_examples=60, deadline=None)
@given(
    plans=st.lists(PLANS, min_size=1, max_size=DEEPEST),
    bound=st.sampled_from([1, 2, 3, 10, 1000]),
    messages=st.integers(1, 30),
)
def test_any_mix_of_handlers_ends_and_everything_is_handled(
    plans: list[Plan], bound: int, messages: int
) -> None:
    """Each message once, and each request that they make too."""

    async def scenario() -> None:
        async with memory_house(max_in_flight=bound) as house:
            mix = Mix(house, plans)
            await mix.begin()
            for number in range(messages):
                await house.bus.publish(f"level/0/{number}")
            expected, count = {}, messages
            for level, plan in enumerate(plans):
                if count:
                    expected[level] = count
                count *= plan.acts.count("request")
            await until(lambda: mix.handled == expected, f"{mix.handled} is not {expected}", 20)
            await until(lambda: mix.published == 0, "what was published is handled too")
            await until(lambda: house.dispatcher.in_flight.messages == 0, "nothing is under way")

    asyncio.run(scenario())
