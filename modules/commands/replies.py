"""Devices' replies: taken off the bus, matched with their executions, counted."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping

from dskity.bus import topics
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import NotFound
from dskity.bus.message import Message
from dskity.modules.commands.ledger import Ledger
from dskity.modules.commands.wire import read_reply


class ReplyIntake:
    """Takes replies on the devices' reply topic and, over MQTT 5, on a response topic of our own.

    `counts` has `changed`, `duplicate`, `late`, `retained`, and `unknown`: one that names no
    execution of ours (another runtime's, say), or comes from another device than was asked.
    """

    def __init__(self, bus: Bus, replies: topics.Pattern, ledger: Ledger) -> None:
        # It cannot be guessed: whoever could have a handler reply here would answer for a device.
        own = f"{topics.quote(bus.client_id)}.{secrets.token_hex(12)}"
        self.reply_to = f"{bus.root}/reply/{own}"
        self.counts: Counter[str] = Counter()
        self._bus = bus
        self._replies = replies
        self._ledger = ledger
        self._attached = False

    async def attach(self) -> None:
        """Subscribe, on the control lane: a reply does not wait behind telemetry.

        It holds until the bus closes; to unsubscribe would lose what the broker has queued.
        """
        if not self._attached:
            await self._bus.attach(self._replies, self._accept, lane="control")
            await self._bus.attach(self.reply_to, self._accept, lane="control")
            self._attached = True

    def _accept(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        # What a broker retained belongs to an earlier time.
        outcome = (
            "retained"
            if delivery.retain
            else self._apply(delivery.message(), captures.get("target"))
        )
        self.counts[outcome] += 1
        delivery.done()

    def _apply(self, message: Message, target: str | None) -> str:
        reply = read_reply(message)
        if reply is None or not self._may_come_from(reply.execution, target):
            return "unknown"
        return self._ledger.apply(reply.execution, reply.change)

    def _may_come_from(self, execution: str, target: str | None) -> bool:
        """Whether the device in the reply topic is the one that was asked."""
        try:
            asked = self._ledger.get(execution)
        except NotFound:
            return False
        return target is None or topics.unquote(target) == asked.target
