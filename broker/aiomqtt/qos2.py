"""QoS 2 messages on their way in, for paho keeps too little of them.

paho forgets a message when it hands it over, and answers no PUBREL for one it does not know, so
that after a reconnect the exchange would hang for ever. Here a message stays known until PUBCOMP
leaves, also on the next connection of the same session (MQTT 5 spec 4.1): it is then handed over
again, as a duplicate. In another process the message is gone: PUBREC, the promise to have it, has
left before the handler began. At-least-once across a crash is QoS 1's promise, not QoS 2's.
"""

from __future__ import annotations

from paho.mqtt.client import Client, MQTTMessage

from dskity.broker.aiomqtt import private


class Unfinished:
    """The exchanges of one connection, begun with those of the one before it."""

    def __init__(self, before: Unfinished | None) -> None:
        self._handed: dict[int, MQTTMessage] = {}
        self._paho: Client | None = None
        self._inherited = before.left() if before is not None else {}

    def left(self) -> dict[int, MQTTMessage]:
        """What the next connection takes over."""
        waiting = {} if self._paho is None else private.unreleased(self._paho)
        left = {**waiting, **self._handed}
        for message in self._handed.values():
            message.dup = True
        return left

    def adopt(self, paho: Client) -> None:
        """Make a new client of paho know what it inherits."""
        self._paho = paho
        private.await_release(paho, self._inherited)

    def knows(self, mid: int) -> bool:
        """Whether PUBCOMP is still to come for a message: its handler's end sends it."""
        unreleased = {} if self._paho is None else private.unreleased(self._paho)
        return mid in unreleased or mid in self._handed

    def forget(self) -> None:
        """The session is a new one: its packet identifiers begin anew."""
        if self._paho is not None:
            private.forget_received(self._paho)

    def handed(self, message: MQTTMessage) -> None:
        """The message is with its handler now."""
        self._handed[message.mid] = message

    def completed(self, mid: int) -> bool:
        """Its handler is done; whether PUBCOMP is due."""
        return self._handed.pop(mid, None) is not None
