"""Who each lane of a transport is for the broker, and the CONNECT that says so."""

from __future__ import annotations

from dataclasses import dataclass

from dskity.broker.settings import ConnectionSettings
from dskity.broker.tls import client_context
from dskity.broker.wire import MQTT_311, ConnectRequest, Version
from dskity.bus.base.threads import blocking
from dskity.bus.message import Message
from dskity.bus.transport import Lane

CONTROL_SUFFIX = "-ctl"
# What was on its way to the control lane outlives a reconnect, and not a restart: a reply to a
# process that is gone is of no use to the next.
CONTROL_EXPIRY = 300


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a lane is for the broker. `resumes`: it wants the session of an earlier process."""

    lane: Lane
    client_id: str
    resumes: bool
    session_expiry: int
    will: Message | None = None

    async def opening(
        self, node: ConnectionSettings, version: Version, *, before: bool
    ) -> ConnectRequest:
        """The CONNECT for a node; `before` says that this process was connected already.

        Raises `InvalidSettings` for TLS files that cannot be used.
        """
        # A session that is not wanted from an earlier process still bridges a reconnect of this
        # one; 3.1.1 cannot say so, there a clean session also ends with its connection.
        clean = not self.resumes and (version == MQTT_311 or not before)
        tls = await blocking(client_context, node.tls) if node.address.tls else None
        return ConnectRequest(
            node, self.client_id, version, clean, self.session_expiry, self.will, tls
        )


def identities(settings: ConnectionSettings) -> tuple[Identity, Identity]:
    """Those of the intake and of the control lane."""
    intake = Identity(
        lane="intake",
        client_id=settings.client_id,
        resumes=not settings.clean_start,
        session_expiry=settings.session_expiry_seconds,
    )
    control = Identity(
        lane="control",
        client_id=settings.client_id + CONTROL_SUFFIX,
        resumes=False,
        session_expiry=min(settings.session_expiry_seconds, CONTROL_EXPIRY),
        will=settings.will,
    )
    return intake, control
