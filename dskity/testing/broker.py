"""A broker in this process whose clients can be given faults."""

from __future__ import annotations

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.bus import Bus
from dskity.bus.errors import NotFound
from dskity.bus.memory import CAPABILITIES, MemoryBroker
from dskity.bus.message import Message
from dskity.bus.transport import Capabilities
from dskity.testing.faults import ScriptedTransport


class ScriptedBroker(MemoryBroker):
    """A `MemoryBroker` (`stop` and `start` make it absent and present) that makes its clients."""

    def __init__(
        self, *, clock: Clock = SYSTEM_CLOCK, capabilities: Capabilities = CAPABILITIES
    ) -> None:
        super().__init__(clock=clock, capabilities=capabilities)
        self._made: dict[str, ScriptedTransport] = {}

    def transport(self, client_id: str, will: Message | None = None) -> ScriptedTransport:
        """A new client, not started yet; a client id that was there before has its session."""
        made = self._made[client_id] = ScriptedTransport(self, client_id, will)
        return made

    def client(self, bus: Bus) -> ScriptedTransport:
        """The connection of a bus, to `cut` or `kill` it or to script its faults."""
        if bus.client_id not in self._made:
            known = ", ".join(sorted(self._made)) or "none"
            raise NotFound(f"this broker made no client {bus.client_id!r}; it made {known}")
        return self._made[bus.client_id]
