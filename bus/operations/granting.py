"""What a broker gives of what a subscription declares: its group, and its QoS."""

from __future__ import annotations

import logging

from dskity.bus import topics
from dskity.bus.errors import Unsupported
from dskity.bus.routing.subscriptions import Subscriptions
from dskity.bus.transport import Transport, no_groups, no_more_filters, no_qos

_logger = logging.getLogger(__name__)


class Granting:
    """Asked for each subscription. While there is no connection everything is granted, because
    it is not known yet what the broker can do; `Bus.unserved` says when there is one."""

    def __init__(self, transport: Transport, subscriptions: Subscriptions) -> None:
        self._transport = transport
        self._subscriptions = subscriptions

    def wire_filter(self, pattern: topics.Pattern, group: str | None, *, best_effort: bool) -> str:
        """The filter to ask the broker for; `Unsupported` where it cannot share it. By best effort
        that is the filter without its group."""
        if group is None:
            return pattern.filter
        shared = topics.share(group, pattern.filter)
        refusal = self._refusal(shared)
        if refusal is None:
            return shared
        if not best_effort:
            raise refusal
        _logger.warning(
            "%s: this broker has no shared subscriptions: by best effort, every member of the "
            "group %r receives every message",
            pattern.text,
            group,
        )
        return pattern.filter

    def kept_qos(self, pattern: topics.Pattern, qos: int, *, lower: bool) -> int:
        """`qos`, or where the broker does not keep to it and `lower` allows it, the highest that it
        does; else `Unsupported`."""
        can = self._transport.capabilities
        if not self._transport.connected or qos <= can.max_qos:
            return qos
        if not lower:
            fix = f"declare qos={can.max_qos}, write best_effort=True, or use another broker"
            raise no_qos(pattern.text, qos, can, fix)
        _logger.warning(
            "%s: this broker does not support qos=%d: by best effort, qos=%d is used",
            pattern.text,
            qos,
            can.max_qos,
        )
        return can.max_qos

    def _refusal(self, shared: str) -> Unsupported | None:
        can = self._transport.capabilities
        if not self._transport.connected:
            return None
        if not can.shared:
            return no_groups(shared)
        if not can.shares_filters and self._subscriptions.crowds(shared):
            return no_more_filters(shared)
        return None
