"""The module `bridge`: each rule is a handler on one connection that publishes on another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from dskity.bus.consumer import AnyHandler
from dskity.bus.message import Message
from dskity.handlers.policy import RetryPolicy
from dskity.modules.bridge.carrier import Carrier
from dskity.modules.bridge.loops import refuse_loops
from dskity.modules.bridge.rule import Rule
from dskity.modules.contract import Module, ModuleMeta, TransportClients

# Topics that are on their way at once, one message of each. Some hundreds fill a line of 100 ms
# with thousands of messages a second.
_TOPICS_AT_ONCE = 256


class BridgeModule(Module):
    """Rules that loop are `InvalidInput`.

    A message is acknowledged when the target's broker has it, or its outbox; those of one topic
    are carried one after the other.
    """

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="bridge", version="1")

    def __init__(self, rules: Sequence[Rule]) -> None:
        refuse_loops(rules)
        self._rules = tuple(rules)
        self.carriers: tuple[Carrier, ...] = ()

    async def on_startup(self, clients: TransportClients) -> None:
        """Subscribe each rule."""
        bus = clients.bus
        self.carriers = tuple(
            Carrier(number, rule, bus.connection(rule.target), bus.client_id, clients.logger)
            for number, rule in enumerate(self._rules)
        )
        for number, carrier in enumerate(self.carriers):
            rule = carrier.rule
            await bus.connection(rule.source).subscribe(
                rule.filter,
                _handler(number, carrier),
                as_published=True,
                replies=True,
                qos=rule.qos,
                timeout=None,  # a message waits for the target as long as it takes
                concurrency=_TOPICS_AT_ONCE,
                retry=RetryPolicy(attempts=1),
            )


def _handler(number: int, carrier: Carrier) -> AnyHandler:
    """The rule's own function, for logs, metrics and dead letters name a handler by it."""

    async def carry(message: Message) -> None:
        await carrier.carry(message)

    carry.__qualname__ = str(number)
    return carry
