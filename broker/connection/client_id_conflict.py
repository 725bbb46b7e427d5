"""Another client with our client id: a broker lets the newer one in and throws the older one out.

Who comes back at once throws the other one out, who comes back at once. MQTT 5 has a reason code
for it, 0x8E, which mosquitto 2.0 does not send. So when connections end soon after they began, time
after time, we come in once and keep quiet, with a witness beside us: a connection under a name that
nobody else has. What ends for us and not for the witness was ended neither by the network, nor by
the broker's fall, nor by anything that we sent.
"""

from __future__ import annotations

import asyncio
import logging
import secrets

from dskity.broker.backoff import Backoff
from dskity.broker.settings import ConnectionSettings
from dskity.broker.wire import ConnectRequest, TakenOver, Wire, WireFactory
from dskity.bus.base.clock import Clock
from dskity.bus.errors import DSkityError

log = logging.getLogger("dskity.mqtt")

LASTED = 5.0  # seconds; a connection lost sooner was a short one
SUSPICIOUS = 3  # short ones in a row
_QUIET = 2.0  # seconds: more than our like wait before they come back, in the first minute
_MOMENT = 0.3  # seconds in which a witness falls that falls with us


class ClientIdConflict:
    """The lanes of one transport share it, so that they give way together. It is the control lane
    that finds out: it has nothing of QoS 2, of which what is acknowledged on arrival could be lost.
    """

    def __init__(self, make_wire: WireFactory, clock: Clock) -> None:
        self._make_wire = make_wire
        self._clock = clock
        self._backoff = Backoff(clock)
        self._short = 0
        self._until = 0.0

    async def peace(self) -> None:
        """Return when we may connect."""
        while (left := self._until - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)

    def note(self, lived: float) -> None:
        """A connection was lost after so many seconds."""
        self._short = self._short + 1 if lived < LASTED else 0

    @property
    def suspected(self) -> bool:
        """Whether it is time to find out."""
        return self._short >= SUSPICIOUS

    async def found(self, opening: ConnectRequest) -> bool:
        """Whether the broker closes our connection, though we keep quiet, and not the witness's."""
        name = f"dskity-witness-{secrets.token_hex(6)}"
        stranger = opening.under(name)
        try:
            thrown_out = await self._is_thrown_out(self._quiet(stranger), self._quiet(opening))
        except DSkityError:  # one of them cannot come in: that is another trouble
            thrown_out = False
        if not thrown_out:
            self._short = 0
        return thrown_out

    def give_way(self, node: ConnectionSettings, reason: str) -> None:
        """Leave the client id to the other one for a while."""
        if self._until > self._clock.monotonic():
            return
        pause = self._backoff.long_delay()
        self._until = self._clock.monotonic() + pause
        log.error(
            "%s: %s: another runtime uses the client id %r; give each a common.mqtt.client_id of "
            "its own; trying again in %.0f s",
            node.address,
            reason,
            node.client_id,
            pause,
        )

    def _quiet(self, opening: ConnectRequest) -> Wire:
        """A wire that acknowledges nothing: what comes on it comes again."""
        return self._make_wire(opening, lambda _: None, None)

    @staticmethod
    async def _is_thrown_out(witness: Wire, ours: Wire) -> bool:
        try:
            await witness.open()
            await ours.open()
            return await _ends(ours, _QUIET) and not await _ends(witness, _MOMENT)
        finally:
            await ours.close()
            await witness.close()


async def _ends(wire: Wire, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            await wire.lost()
    except TakenOver:
        return True
    except TimeoutError:
        return False
    return True
