"""What the brokers that run as our child have in common: ports, a file to start with, a keeper."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from dskity.broker.engines.listen import Listen, with_free_ports
from dskity.broker.engines.process_supervisor import Crash, ProcessSupervisor
from dskity.broker.limits import NO_LIMITS, Limits
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.private import private_folder, write_private
from dskity.bus.base.threads import blocking
from dskity.bus.errors import EngineError, StateUnusable


class ManagedBroker(ABC):
    """An engine: a program that is kept running, with its configuration in `{state_dir}/{name}`.

    `on_crash` is called on the event loop for every crash, beside the log line.
    """

    limits: Limits = NO_LIMITS

    def __init__(
        self,
        name: str,
        listen: Listen,
        state_dir: Path,
        *,
        on_crash: Callable[[Crash], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = name
        self._listen = listen
        self._folder = (state_dir / name).absolute()
        self._on_crash = on_crash
        self._clock = clock
        self._open = listen
        self._keeper: ProcessSupervisor | None = None

    @property
    def url(self) -> str:
        """Where clients on this machine connect; with port 0 only known after `start`."""
        return self._open.url(self._open.port)

    @property
    def websocket_port(self) -> int | None:
        """The port that is open for MQTT over WebSocket."""
        return self._open.websocket_port

    @property
    def healthy(self) -> bool:
        """Whether it runs and has answered an MQTT connect."""
        return self._keeper is not None and self._keeper.healthy

    @property
    def pid(self) -> int | None:
        """Of the child that runs now."""
        return self._keeper.pid if self._keeper is not None else None

    async def start(self) -> None:
        """Return when it accepts MQTT; `EngineError` says why it does not."""
        if self._keeper is not None:
            raise EngineError("this broker is already running: stop it, or create another one")
        self._open = await blocking(self._prepare)
        keeper = ProcessSupervisor(
            self.name,
            self._command(),
            self._answers,
            on_line=self._hear,
            on_crash=self._on_crash,
            clock=self._clock,
        )
        await keeper.start()
        self._keeper = keeper

    async def stop(self) -> None:
        """Return when it is gone, with what it keeps written to the disk."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await keeper.stop()

    @property
    @abstractmethod
    def _conf(self) -> Path:
        """The file that it is started with."""

    @abstractmethod
    def _render(self, listen: Listen) -> str:
        """The text of that file; `listen` has real ports. Raises where the settings are wrong."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """What starts it."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Whether it speaks MQTT."""

    @abstractmethod
    def _hear(self, line: str) -> None:
        """Log a line that it wrote."""

    def _furnish(self) -> None:  # noqa: B027  # most need nothing
        """Make what it needs beside its configuration."""

    def _prepare(self) -> Listen:
        listen = with_free_ports(self._listen)
        text = self._render(listen)
        try:
            private_folder(self._folder, f"the folder of {self.name}")
            write_private(self._conf, text.encode(), f"the configuration of {self.name}")
            self._furnish()
        except (OSError, StateUnusable) as error:
            raise EngineError(
                f"{self._folder} cannot be written: {error}; set state_dir to a writable directory"
            ) from error
        return listen
