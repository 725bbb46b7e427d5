"""How long to wait before the next attempt: exponential, with full jitter."""

from __future__ import annotations

import random
from collections.abc import Callable

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock

FIRST = 0.2
LONGEST = 30.0
# A broker that starts beside us must be found within 2 s of its start, so for the first minute of
# an outage an attempt follows within 1.5 s; a longer outage is a broker elsewhere, which a fleet
# must not storm when it comes back.
EAGER_LONGEST = 1.5
EAGER_SECONDS = 60.0


class Backoff:
    """The delays of one outage; `reset` ends it.

    Each delay is drawn from 0 to a ceiling that doubles (full jitter: clients that lost the same
    broker in the same instant come back spread over the whole time).
    """

    def __init__(
        self, clock: Clock = SYSTEM_CLOCK, draw: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._clock = clock
        self._draw = draw
        self._ceiling = FIRST
        self._since: float | None = None

    def delay(self) -> float:
        """Seconds to wait before the next attempt."""
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        longest = EAGER_LONGEST if now - self._since < EAGER_SECONDS else LONGEST
        ceiling = min(self._ceiling, longest)
        self._ceiling = min(2 * ceiling, LONGEST)
        return self._draw(0.0, ceiling)

    def long_delay(self) -> float:
        """Seconds to wait where only a person can fix the cause, as with a wrong password."""
        return self._draw(LONGEST / 2, LONGEST)

    def reset(self) -> None:
        """The connection lasted: the next outage begins anew."""
        self._ceiling = FIRST
        self._since = None
