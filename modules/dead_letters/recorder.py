"""What arrives under `{root}/dead-letter/` goes into the file."""

from __future__ import annotations

import logging

from dskity.bus.base.clock import Clock
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.errors import Unavailable
from dskity.bus.message import Message
from dskity.modules.dead_letters.letter import DeadLetter
from dskity.modules.dead_letters.store import DeadLetterStore

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds: a full disk may get room again


class DeadLetterRecorder:
    """`connection` names the broker that it listens to, None for ours."""

    def __init__(
        self, store: DeadLetterStore, connection: str | None, clock: Clock, logger: logging.Logger
    ) -> None:
        self._store = store
        self._connection = connection
        self._clock = clock
        self._throttled = ThrottledLog(logger, clock)

    async def keep(self, message: Message, topic: str) -> None:
        """Return when the letter is on the disk, however long that takes.

        It is the last trace of an accepted message: until it is kept it is not acknowledged, and
        the broker has it.
        """
        letter = DeadLetter.of(message, topic, self._connection, self._clock.time())
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._store.add(letter)
            except Unavailable as error:
                self._throttled.warn(f"dead letters are not acknowledged: {error}")
                await self._clock.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._throttled.settle()
                return
