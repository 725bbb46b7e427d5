"""mosquitto as our child."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dskity.broker.engines import mosquitto_conf
from dskity.broker.engines.listen import Listen
from dskity.broker.engines.managed import ManagedBroker
from dskity.broker.engines.process_supervisor import Crash
from dskity.broker.engines.reachable import speaks_mqtt
from dskity.broker.engines.unprivileged import Account, account, check_port, furnish
from dskity.broker.users import Users
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock

log = logging.getLogger(__name__)

# Debian keeps daemons where a user's PATH does not look; Homebrew has its own such place.
_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
_DATABASE, _USERS, _ACL = "mosquitto.db", "users", "acl"  # in its folder
_KNOWN = "Warning: Mosquitto should not be run as root"  # `broker.user: root`


def find_mosquitto() -> str | None:
    """The path of the mosquitto program, or None where it is not installed."""
    return shutil.which("mosquitto") or shutil.which(
        "mosquitto", path=os.pathsep.join(_SYSTEM_FOLDERS)
    )


class ManagedMosquitto(ManagedBroker):
    """An engine: a supervised mosquitto with the project's mosquitto.conf.

    Its configuration lies in `{state_dir}/mosquitto`, its database in `data` there. Where we are
    root it becomes `user`; None is `mosquitto`, or `nobody` where there is no such user.
    """

    cannot: tuple[str, ...] = (
        "If it is killed or loses power, changes since its last save (30 s) are lost.",
        "Above 100,000 messages or 256 MiB queued for one client, it silently drops new ones.",
    )

    def __init__(
        self,
        program: str,
        listen: Listen,
        state_dir: Path,
        *,
        user: str | None = None,
        base: Path = mosquitto_conf.BASE,
        on_crash: Callable[[Crash], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__("mosquitto", listen, state_dir, on_crash=on_crash, clock=clock)
        self._program = program
        self._base = base
        self._user = user
        self._account: Account | None = None

    def save(self) -> None:
        """See `Engine`: SIGUSR1 asks for it, beside the save of every 30 s."""
        if self.healthy and self.pid is not None:
            os.kill(self.pid, signal.SIGUSR1)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _conf(self) -> Path:
        return self._folder / "mosquitto.conf"

    def _render(self, listen: Listen) -> str:
        if listen.users_file is not None:
            Users.load(listen.users_file)  # mosquitto drops a bad line and starts without the user
        self._account = account(self._user)
        base = self._base.read_text(encoding="utf-8")
        if self._account is None:
            absolute = replace(
                listen,
                users_file=listen.users_file and listen.users_file.absolute(),
                acl_file=listen.acl_file and listen.acl_file.absolute(),
            )
            return mosquitto_conf.render(base, absolute, self._data)
        check_port(listen.port, "broker.port", self._account)
        check_port(listen.websocket_port, "broker.websocket_port", self._account)
        inside = replace(
            listen,
            users_file=listen.users_file and Path(_USERS),
            acl_file=listen.acl_file and Path(_ACL),
        )
        return mosquitto_conf.render(base, inside, ".", self._account.name)

    def _furnish(self) -> None:
        self._data.mkdir(mode=0o700, exist_ok=True)
        earlier = self._folder / _DATABASE  # where it was in earlier versions
        if earlier.is_file() and not (self._data / _DATABASE).exists():
            earlier.replace(self._data / _DATABASE)
        if self._account is not None:
            given = {_USERS: self._listen.users_file, _ACL: self._listen.acl_file}
            copies = {name: file for name, file in given.items() if file is not None}
            furnish(self._data, self._account, _DATABASE, copies)

    def _command(self) -> tuple[str, ...]:
        started = (self._program, "-c", str(self._conf))
        if self._account is None:
            return started
        # Its files are relative to where it is started: as that user it cannot come there by path.
        return "/bin/sh", "-c", 'cd "$0" && exec "$@"', str(self._data), *started

    async def _answers(self) -> bool:
        return await speaks_mqtt(self._open.near_host, self._open.port)

    def _hear(self, line: str) -> None:
        level = logging.DEBUG
        if line.startswith("Error"):
            level = logging.ERROR
        elif line.startswith("Warning") and not line.startswith(_KNOWN):
            level = logging.WARNING
        log.log(level, "mosquitto: %s", line)
