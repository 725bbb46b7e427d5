"""The module `dead-letters`: keeps them, and answers for them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.bus import Bus
from dskity.bus.consumer import AnyHandler
from dskity.handlers.dead_letter import dead_letters
from dskity.handlers.policy import RetryPolicy
from dskity.modules.clients.answering import Answering
from dskity.modules.clients.tasks import Tasks
from dskity.modules.contract import Module, ModuleMeta, TransportClients
from dskity.modules.dead_letters.bounds import Bounds
from dskity.modules.dead_letters.recorder import DeadLetterRecorder
from dskity.modules.dead_letters.requests import TOPIC, DeadLetterRequests
from dskity.modules.dead_letters.store import DeadLetterStore

FILE = "dead-letters.db"
_TOGETHER = 1000  # letters that wait for the disk at once, and so share its commits

_logger = logging.getLogger(__name__)


class DeadLettersModule(Module):
    """Kept in `state_dir`, or in memory where it is None; `connections` are the named ones to
    listen to beside ours."""

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="dead-letters", version="1")

    def __init__(
        self,
        state_dir: Path | None = None,
        bounds: Bounds | None = None,
        connections: Sequence[str] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.store = DeadLetterStore(state_dir and state_dir / FILE, bounds, clock)
        self._connections = connections
        self._clock = clock
        self._tasks = Tasks(_logger)

    async def on_startup(self, clients: TransportClients) -> None:
        """Open the file, take what the broker has for us, and answer as soon as there is one."""
        bus = clients.bus
        requests = DeadLetterRequests(self.store, bus)
        await self.store.open()
        try:
            await self._keep(clients)
            await bus.subscribe(f"{bus.root}/{TOPIC}/forget", requests.forget, dead_letter=False)
        except BaseException:
            await self.store.close()
            raise
        self._tasks.keep_running(
            _answering(requests, bus).run, "dead letters: requests", self._clock
        )

    async def on_shutdown(self, clients: TransportClients) -> None:
        """Close the file; what is subscribed has ended."""
        del clients
        await self._tasks.close()
        await self.store.close()

    async def _keep(self, clients: TransportClients) -> None:
        bus = clients.bus
        for name in (None, *self._connections):
            # A middleware that rejects what it does not know would lose the letter, which is the
            # last trace of its message.
            await (
                bus.connection(name)
                .without_middleware()
                .subscribe(
                    f"{dead_letters(bus.root)}{{topic...}}",
                    DeadLetterRecorder(self.store, name, self._clock, clients.logger).keep,
                    dead_letter=False,
                    concurrency=_TOGETHER,
                    order_by=None,  # the ids have the order
                    timeout=None,  # a full disk is waited for
                )
            )


def _answering(requests: DeadLetterRequests, bus: Bus) -> Answering:
    handlers: dict[str, AnyHandler] = {
        f"{TOPIC}/list": requests.list,
        f"{TOPIC}/show": requests.show,
        f"{TOPIC}/replay": requests.replay,
        f"{TOPIC}/drop": requests.drop,
    }
    return Answering(
        bus,
        handlers,
        TOPIC,
        dead_letter=False,
        retry=RetryPolicy(attempts=1),  # the error is the caller's answer
        timeout=None,  # as long as it takes to publish what was chosen
    )
