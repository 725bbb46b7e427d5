"""`order_by`: the key whose messages are handled in order."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeAlias

from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidHandler
from dskity.bus.topics import Pattern
from dskity.handlers.policy import OrderBy

Key: TypeAlias = Callable[[Delivery, Mapping[str, str]], Hashable]


def key_of(order_by: OrderBy, pattern: Pattern) -> Key:
    """The function that finds a message's key; `InvalidHandler` where it names no capture."""
    if order_by is None:
        return lambda delivery, _: id(delivery)
    if callable(order_by):
        function = order_by
        return lambda delivery, _: function(delivery.message())
    if order_by == "topic":
        return lambda delivery, _: delivery.topic
    if order_by not in pattern.names:
        known = ", ".join(["'topic'", *(repr(name) for name in pattern.names)])
        raise InvalidHandler(
            f"order_by={order_by!r} names no capture of {pattern.text!r}: write {known}, a "
            "function of the message, or None"
        )
    name = order_by
    return lambda _, captures: captures[name]
