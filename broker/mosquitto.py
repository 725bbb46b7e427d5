"""mosquitto as our child: started, waited for, restarted when it falls, stopped with us."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dskity.broker import mosquitto_conf
from dskity.broker.backoff import Backoff
from dskity.broker.child import Child
from dskity.broker.listen import Listen, check_free
from dskity.broker.probe import speaks_mqtt
from dskity.broker.users import Users
from dskity.bus.clock import SYSTEM_CLOCK, Clock
from dskity.bus.errors import EngineError

if TYPE_CHECKING:
    from typing import Final

log = logging.getLogger(__name__)

READY_WITHIN = 10.0
STOP_WITHIN = 10.0  # it writes its database first
STEADY_AFTER = 60.0  # up this long, the next crash is a new one, not the same again
_POLL = 0.02
# Debian keeps daemons where a user's PATH does not look; Homebrew has its own such place.
_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
_KNOWN = "Warning: Mosquitto should not be run as root"  # decided in mosquitto_conf.py


def find_mosquitto() -> str | None:
    """The path of the mosquitto program, or None where it is not installed."""
    return shutil.which("mosquitto") or shutil.which(
        "mosquitto", path=os.pathsep.join(_SYSTEM_FOLDERS)
    )


@dataclass(frozen=True, slots=True)
class Crash:
    """mosquitto ended by itself, or did not come back; it is started again in `restart_in` s."""

    reason: str
    lines: tuple[str, ...]
    """The last lines of its log."""
    restart_in: float


class ManagedMosquitto:
    """An engine: a supervised mosquitto with the project's mosquitto.conf.

    Its configuration and database lie in `{state_dir}/mosquitto`. `on_crash` is called on the
    event loop for every crash, beside the log line.
    """

    name: Final = "mosquitto"
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
        self._program = program
        self._listen = listen
        self._folder = (state_dir / "mosquitto").absolute()
        self._base = base
        self._on_crash = on_crash
        self._clock = clock
        self._open = listen
        self._child: Child | None = None
        self._keeper: asyncio.Task[None] | None = None

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
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        """Of the child that runs now."""
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        """Return when it accepts MQTT; `EngineError` says why it does not."""
        if self._keeper is not None:
            raise EngineError("this broker runs already: stop it first, or make a second one")
        self._open = await asyncio.to_thread(self._prepare)
        self._child = await self._launch()
        self._keeper = asyncio.create_task(self._keep(self._child), name="mosquitto-keeper")

    async def stop(self) -> None:
        """Return when it has written its database and is gone."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait({keeper})
        child, self._child = self._child, None
        if child is not None:
            await child.stop(STOP_WITHIN)

    def _prepare(self) -> Listen:
        listen = _with_real_ports(self._listen)
        if listen.users_file is not None:
            Users.load(listen.users_file)  # mosquitto drops a bad line and starts without the user
        text = mosquitto_conf.render(self._base.read_text(encoding="utf-8"), listen, self._folder)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._conf.write_text(text, encoding="utf-8")
        except OSError as error:
            raise EngineError(
                f"{self._folder} cannot be written: {error.strerror}; set state_dir to a folder "
                "that this user may write"
            ) from error
        return listen

    @property
    def _conf(self) -> Path:
        return self._folder / "mosquitto.conf"

    async def _launch(self) -> Child:
        child = await Child.spawn((self._program, "-c", str(self._conf)), _forward)
        try:
            await self._answers(child)
        except BaseException:
            await child.stop(STOP_WITHIN)
            raise
        return child

    async def _answers(self, child: Child) -> None:
        # The port was free a moment ago; should another broker have taken it since, then the
        # child is about to end, and an answer counts only while it lives.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_WITHIN):
                while child.alive:
                    if await speaks_mqtt(self._open.near_host, self._open.port) and child.alive:
                        return
                    await asyncio.sleep(_POLL)
                await child.wait()
        state = f"does not answer after {READY_WITHIN:g} s" if child.alive else "ended at once"
        last = "\n  ".join(("its last words:", *child.tail)) if child.tail else "it said nothing"
        raise EngineError(f"{self._program} -c {self._conf} {state}; {last}")

    async def _keep(self, child: Child) -> None:
        delays = Backoff(self._clock)
        while True:
            since = self._clock.monotonic()
            status = await child.wait()
            if self._clock.monotonic() - since >= STEADY_AFTER:
                delays.reset()
            reason = f"mosquitto ended by itself ({_describe(status)})"
            self._child = child = await self._revive(delays, reason, child.tail)

    async def _revive(self, delays: Backoff, reason: str, lines: tuple[str, ...]) -> Child:
        while True:
            crash = Crash(reason, lines, delays.delay())
            log.error("\n  ".join((f"{reason}; again in {crash.restart_in:.1f} s", *lines)))
            if self._on_crash is not None:
                self._on_crash(crash)
            await self._clock.sleep(crash.restart_in)
            try:
                return await self._launch()
            except EngineError as error:
                reason, lines = str(error), ()


def _with_real_ports(listen: Listen) -> Listen:
    port = check_free(listen.host, listen.port, "broker.port")
    web = listen.websocket_port
    if web is not None:
        web = check_free(listen.host, web, "broker.websocket_port")
    return replace(listen, port=port, websocket_port=web)


def _describe(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _forward(line: str) -> None:
    level = logging.DEBUG
    if line.startswith("Error"):
        level = logging.ERROR
    elif line.startswith("Warning") and not line.startswith(_KNOWN):
        level = logging.WARNING
    log.log(level, "mosquitto: %s", line)
