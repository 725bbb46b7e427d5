"""How long a broker that answers PINGREQ may leave a publish unacknowledged.

Keep-alive finds a broker that says nothing at all, after two of its intervals at most: one until
PINGREQ, one for its answer. A broker that answers PINGREQ and acknowledges nothing (its disk hangs,
a node behind it is away) would hold a publisher, and the outbox with all behind it, for ever. So it
gets as long, and no longer: then the connection is closed, and what waits is sent on the next one.

Time in which this process did not run (SIGSTOP, a blocked event loop) does not count: it is looks
that are counted, and between two of them what has come in was read.
"""

from __future__ import annotations

from dskity.broker.wire import Wire
from dskity.bus.base.clock import Clock

INTERVALS = 2
"""Keep-alive intervals without the acknowledgement of the oldest publish."""
_LOOKS = 10  # in that time; a publish gets a tenth more at most


async def run_out(wire: Wire, seconds: float, clock: Clock) -> None:
    """Return when one publish has been the oldest unacknowledged one for that many `seconds`."""
    oldest: object | None = None
    since = 0
    while True:
        found = wire.oldest
        if found is None or found is not oldest:
            oldest, since = found, 0
        elif since >= _LOOKS:
            return
        since += 1
        await clock.sleep(seconds / _LOOKS)
