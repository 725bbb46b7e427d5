"""One rule at work: a message of one broker becomes a message of another."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.bus import Bus
from dskity.bus.errors import Unavailable
from dskity.bus.message import Message
from dskity.modules.bridge.hops import has_passed, hop, stamped
from dskity.modules.bridge.rule import Rule

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds, while the target takes nothing


@dataclass(slots=True)
class Counts:
    """What became of a rule's messages.

    `looped` had been here before, `private` are topics of ours that the filter does not spell out,
    `unnamed` have no name on the other side, and `dropped` had QoS 0 while the target was away.
    """

    carried: int = 0
    looped: int = 0
    private: int = 0
    unnamed: int = 0
    dropped: int = 0


class Carrier:
    """`number` is the rule's place among the rules; `client_id` is this runtime's."""

    def __init__(
        self, number: int, rule: Rule, target: Bus, client_id: str, logger: logging.Logger
    ) -> None:
        self.rule = rule
        self.counts = Counts()
        self._target = target
        self._hop = hop(client_id, number)
        self._throttled = ThrottledLog(logger, target.clock)

    async def carry(self, message: Message) -> None:
        """Return when the target's broker, or its outbox, has the message.

        However long that takes: the message is not acknowledged before. What the target will
        never take raises, and so becomes a dead letter.
        """
        name = self._name(message)
        if name is None:
            return
        outgoing = self._outgoing(message, name)
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._target.send(outgoing)
            except Unavailable as error:
                if message.qos == 0:  # nobody keeps it
                    self.counts.dropped += 1
                    return
                self._throttled.warn(f"{self.rule}: messages wait: {error}")
                await self._target.clock.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self.counts.carried += 1
                self._throttled.settle()
                return

    def _name(self, message: Message) -> str | None:
        """Its topic on the other side; None where it is not carried, and counted."""
        if not self.rule.takes(message.topic, self._target.root):
            self.counts.private += 1
            return None
        if has_passed(message.headers, self._hop):
            self.counts.looped += 1
            self._throttled.warn(
                f"{self.rule}: {message.topic!r} came back and is dropped: another runtime's "
                "bridge returns the messages of this one; narrow a filter, or add a prefix"
            )
            return None
        name = self.rule.renamed(message.topic)
        if name is None:
            self.counts.unnamed += 1
        return name

    def _outgoing(self, message: Message, name: str) -> Message:
        retain = message.retain if self.rule.retain is None else self.rule.retain
        headers = message.headers
        if self._target.capabilities.headers or _has_more(message):
            headers = stamped(headers, self._hop)
        return replace(message, topic=name, retain=retain, headers=headers, duplicate=False)


def _has_more(message: Message) -> bool:
    """Whether 3.1.1 needs an envelope for it: a plain message must keep its bytes there."""
    return bool(message.headers or message.reply_to or message.correlation)
