"""What one connection of the bus has seen since it was made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """`unrouted` arrived and matched no route; `expired` arrived too late, in an envelope;
    `dropped` is what came at QoS 0 while neither handlers nor memory had room for it;
    `consumer_errors` are exceptions that consumers let out (a handler's are not among them);
    `replies_refused` had an address that no reply may go to."""

    received: int = 0
    unrouted: int = 0
    expired: int = 0
    dropped: int = 0
    published: int = 0
    consumer_errors: int = 0
    replies_refused: int = 0
