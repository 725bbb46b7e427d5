"""Where one experiment on a broker takes place, so that it leaves nothing behind."""

from __future__ import annotations

import contextlib
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

from dskity.broker.probe.client import PREFIX, Visit, visit
from dskity.broker.wire import ConnectRequest, ConnectResult, WireFactory
from dskity.bus.delivery import Delivery
from dskity.bus.errors import DSkityError
from dskity.bus.topics import quote

KEPT_SECONDS = 60  # how long MQTT 5 keeps a session that we could not end


@dataclass(slots=True)
class Ground:
    """A client id and topics that one experiment has for itself.

    `opening` has the client id and the version that the broker accepted, `welcome` is what it said.
    """

    opening: ConnectRequest
    make_wire: WireFactory
    welcome: ConnectResult
    _retained: list[str] = field(default_factory=list)
    _keeps: bool = False

    @property
    def five(self) -> bool:
        """Whether it speaks MQTT 5."""
        return self.welcome.five

    def topic(self, name: str) -> str:
        """A topic of ours."""
        return f"{PREFIX}/{quote(self.opening.client_id)}/{name}"

    def retained(self, name: str) -> str:
        """A topic of ours that is cleared at the end."""
        self._retained.append(self.topic(name))
        return self._retained[-1]

    def visit(self) -> AbstractAsyncContextManager[Visit]:
        """A connection whose session ends with it."""
        return visit(self.opening, self.make_wire)

    def other(self) -> AbstractAsyncContextManager[Visit]:
        """The same by another client."""
        other = replace(self.opening, client_id=f"{self.opening.client_id}-other")
        return visit(other, self.make_wire)

    def return_visit(self, *, acknowledge: bool = False) -> AbstractAsyncContextManager[Visit]:
        """A connection that finds the session of the one before, and leaves it to the next."""
        self._keeps = True
        kept = replace(self.opening, clean_start=False, session_expiry=KEPT_SECONDS)
        return visit(kept, self.make_wire, acknowledge=acknowledge)

    async def clear(self) -> None:
        """End the session, and clear what is retained."""
        if not self._retained:
            await self.leave()
            return
        async with self.visit() as guest:
            for topic in self._retained:
                await guest.publish(topic, b"", qos=1, retain=True)

    async def leave(self) -> None:
        """End the session, without asking anything that an ACL may forbid; what fails here is
        forgotten by the broker after `KEPT_SECONDS`."""
        if not self._keeps:
            return
        wire = self.make_wire(self.opening, Delivery.done, None)
        with contextlib.suppress(DSkityError):
            try:
                await wire.open()
            finally:
                await wire.close()
