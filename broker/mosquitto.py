"""mosquitto as our child."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from dskity.broker import mosquitto_conf
from dskity.broker.keeper import Crash
from dskity.broker.listen import Listen
from dskity.broker.managed import ManagedBroker
from dskity.broker.probe import speaks_mqtt
from dskity.broker.users import Users
from dskity.bus.clock import SYSTEM_CLOCK, Clock

log = logging.getLogger(__name__)

# Debian keeps daemons where a user's PATH does not look; Homebrew has its own such place.
_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
_KNOWN = "Warning: Mosquitto should not be run as root"  # decided in mosquitto_conf.py


def find_mosquitto() -> str | None:
    """The path of the mosquitto program, or None where it is not installed."""
    return shutil.which("mosquitto") or shutil.which(
        "mosquitto", path=os.pathsep.join(_SYSTEM_FOLDERS)
    )


class ManagedMosquitto(ManagedBroker):
    """An engine: a supervised mosquitto with the project's mosquitto.conf.

    Its configuration and database lie in `{state_dir}/mosquitto`.
    """

    cannot: tuple[str, ...] = (
        "When it is killed, or at a power cut, what changed since its last save (30 s) is lost.",
        "Above 100,000 messages or 256 MiB queued for one client, it drops new ones in silence.",
    )

    def __init__(
        self,
        program: str,
        listen: Listen,
        state_dir: Path,
        *,
        base: Path = mosquitto_conf.BASE,
        on_crash: Callable[[Crash], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__("mosquitto", listen, state_dir, on_crash=on_crash, clock=clock)
        self._program = program
        self._base = base

    def save(self) -> None:
        """See `Engine`: SIGUSR1 asks for it, beside the save of every 30 s."""
        if self.healthy and self.pid is not None:
            os.kill(self.pid, signal.SIGUSR1)

    @property
    def _conf(self) -> Path:
        return self._folder / "mosquitto.conf"

    def _render(self, listen: Listen) -> str:
        if listen.users_file is not None:
            Users.load(listen.users_file)  # mosquitto drops a bad line and starts without the user
        return mosquitto_conf.render(self._base.read_text(encoding="utf-8"), listen, self._folder)

    def _command(self) -> tuple[str, ...]:
        return self._program, "-c", str(self._conf)

    async def _answers(self) -> bool:
        return await speaks_mqtt(self._open.near_host, self._open.port)

    def _hear(self, line: str) -> None:
        level = logging.DEBUG
        if line.startswith("Error"):
            level = logging.ERROR
        elif line.startswith("Warning") and not line.startswith(_KNOWN):
            level = logging.WARNING
        log.log(level, "mosquitto: %s", line)
