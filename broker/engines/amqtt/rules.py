"""What amqtt asks us: who may connect, and which filters it grants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amqtt.broker import Broker
from amqtt.plugins.base import BaseAuthPlugin

if TYPE_CHECKING:
    from amqtt.session import Session

_REFUSED = 0x80  # in a SUBACK


class Admitted(BaseAuthPlugin):
    """Accepts every connection: `Connections` has checked its password.

    amqtt gives the session of a client id to a new connection before it asks its plugins. Its own
    plugin for anonymous clients keeps no messages for a session that is away.
    """

    async def authenticate(self, *, session: Session) -> bool | None:
        del session
        return True


PLUGINS: dict[str, dict[str, str]] = {f"{Admitted.__module__}.{Admitted.__name__}": {}}
"""From the name of each class to its settings."""


class Ungrouped(Broker):
    """Refuses `$share/…`, which amqtt grants and never delivers to.

    Not a topic plugin: amqtt asks that for every message and subscriber, and then skips the rest of
    the subscribers if another client subscribes in that instant.
    """

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        if subscription[0].startswith("$share/"):
            return _REFUSED
        return await super().add_subscription(subscription, session)
