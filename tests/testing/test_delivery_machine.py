"""Publishes, failures, crashes and lost connections in any order: nothing that was accepted is
lost, each topic keeps its order but for duplicates, and a key that is noted has none."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.testing.delivery import TOPICS, World

FEW = st.integers(1, 3)


class DeliveryMachine(RuleBasedStateMachine):
    """Each rule is one thing that happens; between two of them the loop stands still, so what was
    begun stays half done until another rule lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.CRITICAL)  # failures are the point here
        self._folder = tempfile.TemporaryDirectory()
        self._loop = asyncio.new_event_loop()
        self._stopped = False

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        """Run the loop for as long as one step takes."""
        self._loop.run_until_complete(step)

    @initialize()
    def begin(self) -> None:
        self.world = World(Path(self._folder.name))
        self.run(self.world.begin())

    @rule(topic=st.sampled_from(TOPICS), count=FEW)
    def publish(self, topic: str, count: int) -> None:
        for _ in range(count):
            self.run(self.world.publish(topic))

    @rule(turns=st.integers(1, 30))
    def go_on(self, turns: int) -> None:
        """Some turns of the loop: a message may be half way through."""

        async def spin() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.run(spin())

    @rule()
    def disk_catches_up(self) -> None:
        self.run(self.world.write_out())

    @rule(seconds=st.sampled_from([0.05, 0.1, 1.0]))
    def pass_time(self, seconds: float) -> None:
        self.run(self.world.clock.advance(seconds))

    @rule(count=FEW)
    def handlers_fail(self, count: int) -> None:
        self.world.failures = count

    @rule()
    def handlers_get_stuck(self) -> None:
        self.world.gate.clear()

    @rule()
    def handlers_go_on(self) -> None:
        self.world.gate.set()

    @rule()
    def crash(self) -> None:
        self.run(self.world.crash())

    @rule(topic=st.sampled_from(TOPICS), count=FEW, turns=st.integers(0, 10))
    def crash_in_the_middle(self, topic: str, count: int, turns: int) -> None:
        """What chance alone seldom does: handlers have begun, none has ended."""
        self.handlers_get_stuck()
        self.publish(topic, count)
        self.go_on(turns)
        self.crash()
        self.handlers_go_on()

    @rule(topic=st.sampled_from(TOPICS), nth=FEW, arrives=st.booleans())
    def lose_the_connection_in_the_middle(self, topic: str, nth: int, *, arrives: bool) -> None:
        """Of what waits on the disk some has left, and more comes."""
        self.connection_is_cut()
        self.publish(topic, 3)
        self.publish_will_lose_the_connection(nth, arrives=arrives)
        self.go_on(3)
        self.publish(topic, 2)

    @rule(topic=st.sampled_from(TOPICS), count=FEW)
    def fail_in_the_middle(self, topic: str, count: int) -> None:
        """A message is between two attempts while others come."""
        self.handlers_fail(count)
        self.publish(topic, count + 1)
        self.go_on(10)
        self.publish(topic, 1)

    @rule(keys=st.permutations(["handled/a", "handled/b"]), failures=st.integers(1, 4))
    def wait_for_the_only_place(self, keys: list[str], failures: int) -> None:
        """The route runs one at a time: while one key has its place another waits, and goes on
        waiting with what comes when it has begun."""
        self.handlers_fail(failures)
        self.publish(keys[0], 1)
        self.go_on(5)
        self.publish(keys[1], 2)
        self.pass_time(0.1)
        self.publish(keys[1], 1)

    @rule()
    def restart(self) -> None:
        self.run(self.world.restart())

    @precondition(lambda self: not self._stopped)
    @rule()
    def broker_stops(self) -> None:
        self._stopped = True
        self._call(self.world.broker.stop)

    @precondition(lambda self: self._stopped)
    @rule()
    def broker_starts(self) -> None:
        self._stopped = False
        self._call(self.world.broker.start)

    @rule()
    def connection_is_cut(self) -> None:
        self._call(self.world.process.transport.cut)

    @rule(nth=FEW, arrives=st.booleans())
    def publish_will_lose_the_connection(self, nth: int, *, arrives: bool) -> None:
        self.world.process.transport.disconnect_on_publish(nth, arrives=arrives)

    @rule(count=FEW)
    def acknowledgements_will_get_lost(self, count: int) -> None:
        self.world.process.transport.drop_acks(count)

    @rule(count=FEW)
    def messages_will_come_twice(self, count: int) -> None:
        self.world.process.transport.duplicate(count)

    @rule()
    def client_is_slow(self) -> None:
        self.world.process.transport.stall()

    @rule(count=FEW)
    def client_takes_some(self, count: int) -> None:
        self._call(lambda: self.world.process.transport.let_in(count))

    @invariant()
    def each_topic_keeps_its_order(self) -> None:
        for topic, numbers in self.world.begun.items():
            first_times = list(dict.fromkeys(numbers))
            assert first_times == sorted(first_times), topic
        assert self.world.overlaps == []

    @invariant()
    def no_key_is_handled_again_once_it_is_noted(self) -> None:
        assert self.world.repeated == []

    @invariant()
    def nothing_is_counted_below_zero(self) -> None:
        process = self.world.process
        in_flight = process.dispatcher.in_flight
        assert min(in_flight.messages, in_flight.bytes, process.outbox.spool.messages) >= 0
        assert min(process.inbox.messages, process.inbox.bytes) >= 0

    def _call(self, function: Any) -> None:
        async def step() -> None:
            function()

        self.run(step())

    def teardown(self) -> None:
        try:
            self.run(self.world.settle())
            assert self.world.lost == set()
            assert self.world.at_rest
            self.each_topic_keeps_its_order()
            self.no_key_is_handled_again_once_it_is_noted()
            self.nothing_is_counted_below_zero()
        finally:
            self.run(self.world.end())
            self._loop.close()
            self._folder.cleanup()
            logging.disable(logging.NOTSET)


DeliveryMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30)
TestDelivery = DeliveryMachine.TestCase
