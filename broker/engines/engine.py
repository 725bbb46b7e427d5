"""Which broker carries the bus: one that we run, or one that is there.

`choose_engine` decides and opens nothing; the engine's `start` does. What each choice cannot
promise is said in plain sentences, for the banner.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from dskity.broker.engines.listen import Listen
from dskity.broker.engines.mosquitto import ManagedMosquitto, find_mosquitto
from dskity.broker.engines.process_supervisor import Crash
from dskity.broker.engines.rumqttd import ManagedRumqttd, has_rumqttd
from dskity.broker.limits import NO_LIMITS, Limits
from dskity.broker.url import Urls
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.errors import EngineError, InvalidSettings

EngineName: TypeAlias = Literal["auto", "mosquitto", "builtin", "amqtt", "rumqttd", "none"]


class Engine(Protocol):
    """A broker, run by us or not."""

    @property
    def name(self) -> str:
        """`mosquitto`, `builtin`, `amqtt`, `rumqttd` or `external`."""
        ...

    @property
    def url(self) -> str:
        """The MQTT URL that clients on this machine connect to; of several, the first."""
        ...

    @property
    def cannot(self) -> tuple[str, ...]:
        """What this choice cannot promise, a sentence each."""
        ...

    @property
    def limits(self) -> Limits:
        """What it cannot do and does not tell its clients."""
        ...

    @property
    def healthy(self) -> bool:
        """Whether it runs, as far as we can tell."""
        ...

    async def start(self) -> None:
        """Return when clients can connect; raises `EngineError`."""
        ...

    def save(self) -> None:
        """Have it write soon what it would lose by a crash; does nothing where it writes none, or
        all at once."""
        ...

    async def stop(self) -> None:
        """Return when nothing of it is left; does nothing when it is not running."""
        ...


class ExternalBroker:
    """A broker, or a cluster, that is not started here: nothing to start, and its health is the
    connection's."""

    name = "external"
    cannot: tuple[str, ...] = ()
    limits = NO_LIMITS
    healthy = True

    def __init__(self, urls: Urls) -> None:
        self.url = urls if isinstance(urls, str) else urls[0]

    async def start(self) -> None:
        pass

    def save(self) -> None:
        pass

    async def stop(self) -> None:
        pass


def choose_engine(
    wanted: EngineName,
    url: Urls | None,
    *,
    listen: Listen,
    state_dir: Path,
    user: str | None = None,
    on_crash: Callable[[Crash], None] | None = None,
    clock: Clock = SYSTEM_CLOCK,
    find: Callable[[], str | None] = find_mosquitto,
) -> Engine:
    """The engine for `broker.engine` (`wanted`) and `common.mqtt.url`.

    A URL is a broker that is there. Without one, `auto` takes mosquitto where it is installed and
    the built-in one where it is not; amqtt and rumqttd come by name. `user` is the one that
    mosquitto becomes where we are root. `find` says where mosquitto is.
    """
    if url is not None:
        if wanted not in {"auto", "none"}:
            raise InvalidSettings(
                f"broker.engine {wanted} would run a broker, and common.mqtt.url names another one "
                "to use: remove one of the two"
            )
        return ExternalBroker(url)
    if wanted == "none":
        raise InvalidSettings(
            "broker.engine none runs no broker: set common.mqtt.url to the one to use, "
            "such as mqtt://127.0.0.1:1883"
        )
    if wanted == "rumqttd":
        if not has_rumqttd():
            raise EngineError(
                "broker.engine is rumqttd, which is not installed: pip install 'dskity[rumqttd]', "
                "or set broker.engine to auto"
            )
        listen.check_pages(wanted)
        _check_user(user, wanted)
        return ManagedRumqttd(listen, state_dir, on_crash=on_crash, clock=clock)
    if wanted == "amqtt":
        _check_user(user, wanted)
        # Imported where it is chosen: it takes 0.14 s, which other choices need not pay.
        from dskity.broker.engines.amqtt.engine import AmqttBroker  # noqa: PLC0415

        return AmqttBroker(listen)
    program = None if wanted == "builtin" else find()
    if program is not None:
        listen.check_pages("mosquitto")
        return ManagedMosquitto(
            program, listen, state_dir, user=user, on_crash=on_crash, clock=clock
        )
    if wanted == "mosquitto":
        raise EngineError(
            "broker.engine is mosquitto, which is not installed (looked on PATH and in /usr/sbin): "
            "apt-get install mosquitto, or set broker.engine to auto"
        )
    _check_user(user, "builtin")
    from dskity.broker.engines.builtin.engine import BuiltinBroker  # noqa: PLC0415  # 0.6 MiB

    return BuiltinBroker(listen, clock=clock)


def _check_user(user: str | None, engine: str) -> None:
    """`InvalidSettings` where a user is set for an engine that keeps the runtime's."""
    if user is not None:
        raise InvalidSettings(
            f"broker.user {user}: {engine} runs as the user of the runtime: leave it out, or set "
            "broker.engine to mosquitto"
        )
