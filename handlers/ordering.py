"""`order_by`: the key whose messages are handled in order."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeAlias

from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.base.wording import in_words
from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidHandler
from dskity.bus.message import Message
from dskity.bus.topics import Pattern
from dskity.handlers.policy import OrderBy

Key: TypeAlias = Callable[[Delivery, Mapping[str, str]], Hashable]


def key_of(order_by: OrderBy, pattern: Pattern, throttled: ThrottledLog) -> Key:
    """The function that finds a message's key; `InvalidHandler` where it names no capture."""
    if order_by is None:
        return lambda delivery, _: id(delivery)
    if callable(order_by):
        return _by_function(order_by, throttled)
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


def _by_function(function: Callable[[Message], Hashable], throttled: ThrottledLog) -> Key:
    """A user's function; a message on which it fails keeps the order of its topic."""

    def key(delivery: Delivery, _: Mapping[str, str]) -> Hashable:
        try:
            found = function(delivery.message())
            hash(found)
        except BaseException as error:  # noqa: BLE001  # the message is handled all the same
            throttled.warn(
                f"order_by failed on a message of {delivery.topic}, which keeps the order of its "
                f"topic: {in_words(error)}"
            )
            return delivery.topic
        return found

    return key
